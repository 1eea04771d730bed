import type { NewChange } from "../interfaces/change-source.ts";
import type { Change } from "../interfaces/scheduler.ts";
import type { Store } from "./store.ts";
import type { Row } from "./tables.ts";
import { storable } from "./text.ts";
import type { Tx } from "./tx.ts";

const MOST_ID = 2_147_483_647;
const AT_ONCE = 500;

/** Stores a change once; returns its id and whether it was new. */
export async function addChange(tx: Tx, source: string, change: NewChange): Promise<{ id: number; added: boolean }> {
  const project = storable(change.project ?? "");
  const branch = storable(change.branch);
  const revision = storable(change.revision);
  const inserted = await tx.db
    .insertInto("changes")
    .values({
      source,
      key: storable(change.key),
      author: storable(change.author),
      comments: storable(change.comments),
      files: JSON.stringify(change.files),
      revision,
      branch,
      repository: storable(change.repository),
      codebase: storable(change.codebase ?? ""),
      project,
      category: storable(change.category ?? null),
      link: storable(change.link ?? null),
      when_at: change.when ?? tx.now,
      added_at: tx.now,
      properties: JSON.stringify(change.properties ?? {}),
    })
    .onConflict((conflict) => conflict.columns(["source", "key"]).doNothing())
    .returning("id")
    .executeTakeFirst();
  if (inserted) {
    tx.event("change.added", { change: inserted.id, source, branch, revision }, { project });
    tx.ring("scheduling:changes");
    return { id: inserted.id, added: true };
  }
  const known = await tx.db
    .selectFrom("changes")
    .select("id")
    .where("source", "=", source)
    .where("key", "=", storable(change.key))
    .executeTakeFirstOrThrow();
  return { id: known.id, added: false };
}

/** In order of id; unknown ids are left out. */
export async function changesById(store: Store, ids: readonly number[]): Promise<Change[]> {
  const wanted = [...new Set(ids)]
    .filter((id) => Number.isInteger(id) && id > 0 && id <= MOST_ID)
    .sort((a, b) => a - b);
  const changes: Change[] = [];
  for (let at = 0; at < wanted.length; at += AT_ONCE) {
    const some = wanted.slice(at, at + AT_ONCE);
    const rows = await store.read.selectFrom("changes").selectAll().where("id", "in", some).orderBy("id").execute();
    for (const row of rows) changes.push(toChange(row));
  }
  return changes;
}

export function toChange(row: Row<"changes">): Change {
  return {
    id: row.id,
    source: row.source,
    key: row.key,
    author: row.author,
    comments: row.comments,
    files: JSON.parse(row.files),
    revision: row.revision,
    branch: row.branch,
    repository: row.repository,
    codebase: row.codebase,
    project: row.project,
    category: row.category,
    link: row.link,
    when: row.when_at,
    added: row.added_at,
    properties: JSON.parse(row.properties),
  };
}
