import type { z } from "zod";
import type { FailureSummary } from "../engine/failure-summary.ts";
import type { Store } from "../store/store.ts";
import type { failureShape } from "./shapes.ts";
import type { View } from "./visibility.ts";

export type Failure = z.output<typeof failureShape>;

/** Why builds failed, as far as that is known by now, without changes that the caller may not see. */
export async function failuresOf(
  { read }: Store,
  view: View,
  builds: readonly number[],
): Promise<Map<number, { wanted: boolean; failure: Failure | null }>> {
  const rows = await read
    .selectFrom("build_failures")
    .select(["build_id", "state", "summary"])
    .where("build_id", "in", [...builds])
    .execute();
  return new Map(
    rows.map(({ build_id, state, summary }) => {
      const failure = summary === null ? null : shown(JSON.parse(summary) as FailureSummary, view);
      return [build_id, { wanted: state === "wanted", failure }];
    }),
  );
}

function shown(failure: FailureSummary, view: View): Failure {
  const changes = failure.changes.filter(({ project }) => view.seesProject(project));
  // How many there are besides may be of what is hidden.
  return { ...failure, changes, moreChanges: failure.moreChanges && view.all };
}
