import type { NewChange } from "../interfaces/change-source.ts";
import type { Change } from "../interfaces/scheduler.ts";
import type { Store } from "./store.ts";
import type { Row } from "./tables.ts";
import type { Tx } from "./tx.ts";

/** Stores a change once; returns its id and whether it was new. */
export async function addChange(tx: Tx, source: string, change: NewChange): Promise<{ id: number; added: boolean }> {
  const project = change.project ?? "";
  const inserted = await tx.db
    .insertInto("changes")
    .values({
      source,
      key: change.key,
      author: change.author,
      comments: change.comments,
      files: JSON.stringify(change.files),
      revision: change.revision,
      branch: change.branch,
      repository: change.repository,
      codebase: change.codebase ?? "",
      project,
      category: change.category ?? null,
      link: change.link ?? null,
      when_at: change.when ?? tx.now,
      added_at: tx.now,
      properties: JSON.stringify(change.properties ?? {}),
    })
    .onConflict((conflict) => conflict.columns(["source", "key"]).doNothing())
    .returning("id")
    .executeTakeFirst();
  if (inserted) {
    tx.event(
      "change.added",
      { change: inserted.id, source, branch: change.branch, revision: change.revision },
      { project },
    );
    tx.ring("scheduling:changes");
    return { id: inserted.id, added: true };
  }
  const known = await tx.db
    .selectFrom("changes")
    .select("id")
    .where("source", "=", source)
    .where("key", "=", change.key)
    .executeTakeFirstOrThrow();
  return { id: known.id, added: false };
}

export async function changesById(store: Store, ids: readonly number[]): Promise<Change[]> {
  if (ids.length === 0) return [];
  const rows = await store.read
    .selectFrom("changes")
    .selectAll()
    .where("id", "in", [...ids])
    .execute();
  return rows.map(toChange).sort((a, b) => a.id - b.id);
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
