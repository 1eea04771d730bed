import type { View } from "../extension.ts";

export interface Named {
  name: string;
  project: string;
  tags: string[];
}

/** Every builder that the reader may see, in the order of names. */
export async function named(view: View): Promise<Named[]> {
  const found: Named[] = [];
  for (let cursor: string | undefined; ; ) {
    const { items, next } = await view.ask("builders.list", {
      configured: true,
      fields: ["name", "project", "tags"],
      limit: 500,
      ...(cursor !== undefined && { cursor }),
    });
    found.push(...(items as Named[]));
    if (next === null) return found;
    cursor = next;
  }
}
