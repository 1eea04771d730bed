import type { Json } from "../interfaces/values.ts";
import type { ListAnswer } from "./answers.ts";
import type { Session } from "./session.ts";

const PAGE = 500;

/** Up to `limit` items of a list, however many pages that are. */
export async function listed<T>(
  session: Session,
  method: string,
  params: { [key: string]: Json },
  limit: number,
): Promise<{ items: T[]; next: string | null }> {
  const items: T[] = [];
  let cursor: string | null | undefined;
  while (items.length < limit && cursor !== null) {
    const page: ListAnswer<T> = await session.call(method, {
      ...params,
      limit: Math.min(PAGE, limit - items.length),
      ...(cursor === undefined ? {} : { cursor }),
    });
    items.push(...page.items);
    cursor = page.next;
  }
  return { items, next: cursor ?? null };
}
