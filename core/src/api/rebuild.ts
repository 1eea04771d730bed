import { type AddedBuildset, addBuildset, stampsOf } from "../store/buildsets.ts";
import type { Store } from "../store/store.ts";

/** Builds the source of a buildset once more, with the same properties, for these builders. */
export async function rebuildOf(
  store: Store,
  { id, properties }: { id: number; properties: string },
  { owner, ...spec }: { builders: string[]; reason: string; priority: number; owner: string },
): Promise<{ buildset: number; requests: AddedBuildset["requests"] }> {
  const [stamps, changes] = await Promise.all([
    stampsOf(store.read, [id]),
    store.read.selectFrom("buildset_changes").select("change_id").where("buildset_id", "=", id).execute(),
  ]);
  const added = await store.write((tx) =>
    addBuildset(
      tx,
      {
        ...spec,
        sourceStamps: stamps.get(id) ?? [],
        changes: changes.map((row) => row.change_id),
        properties: JSON.parse(properties),
      },
      { owner },
    ),
  );
  return { buildset: added.id, requests: added.requests };
}
