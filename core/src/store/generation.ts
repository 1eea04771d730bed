import { createHash } from "node:crypto";
import type { Store } from "./store.ts";
import { storable } from "./text.ts";
import type { Tx } from "./tx.ts";

export interface BuilderFacts {
  name: string;
  project: string;
  tags: readonly string[];
  description: string;
  /** Milliseconds that its requests wait at most. */
  maxWait: number | undefined;
}

export interface GenerationFacts {
  shown: string;
  code: string | undefined;
  builders: readonly BuilderFacts[];
  /** Whether it is another one than the last. Default: if what is shown, or the code, is different. */
  changed?: boolean;
}

/** The id of the generation that was loaded last; 0 if there is none. */
export async function newestGeneration(store: Store): Promise<number> {
  const newest = store.read.selectFrom("config_generations").select("id").orderBy("id", "desc").limit(1);
  return (await newest.executeTakeFirst())?.id ?? 0;
}

/**
 * Writes down what a configuration is and which builders it has. Builders that are gone stay for
 * their history and are no longer configured. `also` is done in the same transaction. Returns the generation's id.
 */
export async function recordGeneration(
  store: Store,
  masterId: number,
  { shown, code, builders, changed }: GenerationFacts,
  also?: (tx: Tx) => Promise<void>,
): Promise<number> {
  const hash = createHash("sha256")
    .update(`${shown}${code ?? ""}`)
    .digest("hex");
  return store.write(async (tx) => {
    await also?.(tx);
    const names = builders.map((builder) => builder.name);
    await tx.db
      .updateTable("builders")
      .set({ configured: 0 })
      .where("configured", "=", 1)
      .$if(names.length > 0, (query) => query.where("name", "not in", names))
      .execute();
    for (const builder of builders) {
      const facts = {
        project: storable(builder.project),
        tags: JSON.stringify(builder.tags),
        description: storable(builder.description),
        configured: 1,
        max_wait: builder.maxWait === undefined ? null : Math.ceil(builder.maxWait),
      };
      await tx.db
        .insertInto("builders")
        .values({
          name: builder.name,
          ...facts,
          paused: 0,
          paused_reason: null,
          paused_by: null,
          paused_at: null,
          trouble: null,
          next_number: 1,
        })
        .onConflict((conflict) => conflict.column("name").doUpdateSet(facts))
        .execute();
    }
    const last = await tx.db
      .selectFrom("config_generations")
      .select(["id", "hash"])
      .orderBy("id", "desc")
      .limit(1)
      .executeTakeFirst();
    if (last && !(changed ?? last.hash !== hash)) return last.id;
    const { id } = await tx.db
      .insertInto("config_generations")
      .values({ hash, shown, loaded_at: tx.now, master_id: masterId })
      .returning("id")
      .executeTakeFirstOrThrow();
    tx.event("config.loaded", { generation: id, hash });
    return id;
  });
}
