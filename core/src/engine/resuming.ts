import { createHash } from "node:crypto";
import type { ConfiguredBuilder, ConfiguredWorker } from "../config/generation.ts";
import { type ConfiguredNode, countSteps, isGroup } from "../config/steps.ts";
import type { UnfinishedBuild } from "../store/builds.ts";
import { planOf, readPast } from "../store/resuming.ts";
import type { Store } from "../store/store.ts";

/** What a builder's builds on a worker are made by; null if they cannot go on after a restart. */
export function planFor({ plan }: ConfiguredBuilder, { print }: ConfiguredWorker): string | null {
  return plan === null ? null : createHash("sha256").update(`${plan} ${print}`).digest("base64url");
}

/**
 * Whether a build that an earlier life of the master has left can go on: it is built by the very plan that it began with, on
 * the same worker, and every step that had begun has ended, or says that it is resumable.
 */
export async function canGoOn(
  store: Store,
  build: UnfinishedBuild,
  builder: ConfiguredBuilder | undefined,
  worker: ConfiguredWorker | undefined,
): Promise<boolean> {
  const plan = await planOf(store, build);
  if (!builder || !worker || plan === null || plan !== planFor(builder, worker)) return false;
  const past = await readPast(store, build.id);
  if (!past) return false;
  const nodes = numbered(builder.steps);
  return past.steps.every(({ step, name, added, finishedAt }) => {
    const node = nodes.get(step);
    if (node?.name !== name) return false;
    if (finishedAt !== null) return added === 0;
    return isGroup(node) || node.step.resumable === true;
  });
}

/** Steps and groups by the numbers that they have in a build. */
function numbered(nodes: readonly ConfiguredNode[], first = 1): Map<number, ConfiguredNode> {
  const found = new Map<number, ConfiguredNode>();
  let number = first;
  for (const node of nodes) {
    found.set(number, node);
    if (isGroup(node)) for (const [inner, member] of numbered(node.steps, number + 1)) found.set(inner, member);
    number += countSteps([node]);
  }
  return found;
}
