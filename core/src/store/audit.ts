import type { Caller } from "../interfaces/api-method.ts";
import type { Store } from "./store.ts";
import { storable } from "./text.ts";

const LONGEST_PARAMS = 2_000;

/** Notes who called what, from where, and how it ended: `"ok"` or the code of an error. */
export async function addAudit(
  store: Store,
  caller: Caller,
  method: string,
  params: unknown,
  outcome: string,
): Promise<void> {
  const text = JSON.stringify(params ?? {}) ?? "";
  const row = {
    caller: storable(caller.name),
    kind: caller.kind,
    origin: storable(caller.origin ?? null),
    method,
    params: storable(text.length > LONGEST_PARAMS ? `${text.slice(0, LONGEST_PARAMS)}…` : text),
    outcome,
  };
  await store.write((tx) =>
    tx.db
      .insertInto("audit")
      .values({ at: tx.now, ...row })
      .execute(),
  );
}
