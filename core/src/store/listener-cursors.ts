import type { Caller } from "../interfaces/api-method.ts";
import type { Store } from "./store.ts";
import { storable } from "./text.ts";

/** A caller's cursors are its own: another one with the same listener name has another. */
const keyOf = (caller: Caller, listener: string) => storable(`${caller.kind}:${caller.name}/${listener}`);

/** How far a listener in another process has come; `undefined` if it never said. */
export async function listenerCursor(store: Store, caller: Caller, listener: string): Promise<number | undefined> {
  const row = await store.read
    .selectFrom("listener_cursors")
    .select("position")
    .where("name", "=", keyOf(caller, listener))
    .executeTakeFirst();
  return row?.position;
}

/** Moves it forward, never back; returns where it is then, or `undefined` if this caller has `most` others already. */
export async function moveListenerCursor(
  store: Store,
  caller: Caller,
  listener: string,
  position: number,
  most: number,
): Promise<number | undefined> {
  const name = keyOf(caller, listener);
  return store.write(async (tx) => {
    const moved = await tx.db
      .updateTable("listener_cursors")
      .set({ position, moved_at: tx.now })
      .where("name", "=", name)
      .where("position", "<", position)
      .returning("position")
      .executeTakeFirst();
    if (moved) return moved.position;
    const known = await tx.db
      .selectFrom("listener_cursors")
      .select("position")
      .where("name", "=", name)
      .executeTakeFirst();
    if (known) return known.position;
    const owner = `${caller.kind}:${caller.name}`;
    const others = await tx.db
      .selectFrom("listener_cursors")
      .select("name")
      .where("caller", "=", owner)
      .limit(most)
      .execute();
    if (others.length >= most) return undefined;
    await tx.db
      .insertInto("listener_cursors")
      .values({ name, position, caller: owner, moved_at: tx.now })
      .onConflict((conflict) => conflict.column("name").doNothing())
      .execute();
    return position;
  });
}
