import { unweighed } from "../store/queue.ts";
import { weigh } from "../store/requests.ts";
import type { Store } from "../store/store.ts";
import type { HeldLease } from "../store/tx.ts";
import type { DistributedConfig } from "./decider.ts";
import type { HookKeeper } from "./hooks.ts";
import { requestInfos } from "./request-infos.ts";

const AT_ONCE = 200;
const MOST_PRIORITY = 1_000_000_000;

/**
 * Gives new requests the priority that their builders say. `out` are builders of which some have
 * none yet: they wait, so that nobody overtakes.
 */
export async function weighRequests(
  store: Store,
  lease: HeldLease,
  config: DistributedConfig,
  builderIds: ReadonlyMap<string, number>,
  hooks: HookKeeper,
): Promise<{ out: Set<string>; more: boolean }> {
  const out = new Set<string>();
  const weighing = [...config.builders.values()].filter(({ rules }) => rules.priority !== undefined);
  if (weighing.length === 0) return { out, more: false };
  const ids = weighing.map(({ name }) => builderIds.get(name)).filter((id) => id !== undefined);
  const rows = ids.length === 0 ? [] : await unweighed(store.read, ids, AT_ONCE);
  if (rows.length === 0) return { out, more: false };
  const infos = await requestInfos(store.read, rows);
  const priorities = new Map<number, number>();
  for (const info of infos) {
    const priority = config.builders.get(info.builder)?.rules.priority;
    if (priority === undefined) continue;
    if (typeof priority === "number") {
      priorities.set(info.id, limited(info.priority + priority));
      continue;
    }
    if (hooks.pausedTill(info.builder) !== undefined) {
      out.add(info.builder);
      continue;
    }
    const answer = await hooks.ask(info.builder, "priority", String(info.id), () => priority(info), asPriority);
    if (answer.state === "answer") priorities.set(info.id, limited(answer.value));
    else out.add(info.builder);
  }
  await weigh(store, lease, priorities);
  return { out, more: rows.length === AT_ONCE && priorities.size > 0 };
}

function asPriority(value: unknown): number {
  if (typeof value === "number" && Number.isInteger(value)) return value;
  throw new Error("it has to answer a whole number");
}

function limited(priority: number): number {
  return Math.max(-MOST_PRIORITY, Math.min(MOST_PRIORITY, priority));
}
