import type { CoreMethods } from "belfry";
import type { View } from "../extension.ts";

/** So many of those that wait are looked at. */
const MOST = 500;

type Build = CoreMethods["builds.list"]["result"]["items"][number];

export interface Queued {
  request: number;
  /** About when it begins, by what its builder usually takes; undefined where nothing of its builder runs. */
  begins: number | undefined;
}

/** What waits for each builder, in the order in which it will start. */
export async function queueAhead(view: View, running: readonly Build[]): Promise<Map<string, Queued[]>> {
  const { items } = await view.ask("requests.list", {
    state: "pending",
    order: "queue",
    limit: MOST,
    fields: ["id", "builder"],
  });
  const busy = Map.groupBy(running, ({ builder = "" }) => builder);
  const queues = new Map<string, Queued[]>();
  for (const { id = 0, builder = "" } of items) {
    const queue = queues.get(builder) ?? [];
    queues.set(builder, queue);
    queue.push({ request: id, begins: beginning(busy.get(builder) ?? [], queue.length) });
  }
  return queues;
}

/** When the one behind `ahead` others begins, if each takes the place of one that runs now. */
function beginning(running: readonly Build[], ahead: number): number | undefined {
  const usual = running.find(({ usualMillis }) => usualMillis != null)?.usualMillis;
  if (usual == null) return undefined;
  const ends = running.map(({ startedAt, assignedAt = 0 }) => (startedAt ?? assignedAt) + usual).sort((a, b) => a - b);
  return (ends[ahead % ends.length] ?? 0) + Math.floor(ahead / ends.length) * usual;
}
