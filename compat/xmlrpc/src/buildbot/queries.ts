import { faults } from "../errors.ts";
import { type Asking, type BuildItem, type FinishedBuild, hasEnded, type WholeBuild } from "./answers.ts";
import { Unanswerable } from "./arguments.ts";

/** `builds.list` gives so many at a time together with what their text is made of. */
const PAGE = 100;
const INCLUDE = ["properties", "steps"];
const NAMES_PAGE = 500;

/** Names of the configured builders, in the order of the configuration. */
export async function builderNames(asking: Asking): Promise<string[]> {
  const found: { name: string; position: number | null }[] = [];
  const list = asking.list<{ name: string; position: number | null }>("builders.list", {
    configured: true,
    fields: ["name", "position"],
    limit: NAMES_PAGE,
  });
  for await (const builder of list) found.push(builder);
  return found.sort((a, b) => (a.position ?? 0) - (b.position ?? 0)).map(({ name }) => name);
}

/** The original looks at the last `most` builds and passes over those that run, so there may be fewer. */
export async function lastOf(asking: Asking, builder: string, most: number, limit: number): Promise<FinishedBuild[]> {
  const builds: FinishedBuild[] = [];
  let seen = 0;
  if (most > 0) {
    const params = { builder, include: INCLUDE, limit: Math.min(most, PAGE) };
    for await (const build of asking.list<BuildItem>("builds.list", params)) {
      if (seen >= limit) throw faults.tooManyBuilds(limit);
      seen += 1;
      if (hasEnded(build)) builds.push(build);
      if (seen === most) break;
    }
  }
  // An unknown builder has no builds, and was a fault.
  if (seen === 0) await asking.get("builders.get", { builder });
  return builds.sort(byEnd);
}

export async function endedBetween(
  asking: Asking,
  start: number,
  stop: number,
  limit: number,
): Promise<FinishedBuild[]> {
  const names = new Set(await builderNames(asking));
  const builds: FinishedBuild[] = [];
  const list = asking.list<BuildItem>("builds.list", {
    state: "finished",
    finishedSince: millis(Math.ceil(start * 1_000)),
    finishedUntil: millis(Math.floor(stop * 1_000)),
    order: "finishedAt",
    include: INCLUDE,
    limit: PAGE,
  });
  for await (const build of list) {
    if (!names.has(build.builder) || !hasEnded(build)) continue;
    if (builds.length === limit) throw faults.tooManyBuilds(limit);
    builds.push(build);
  }
  return builds.sort(byEnd);
}

const LAST_MILLIS = 8_640_000_000_000_000;

function millis(time: number): number {
  return Math.max(-LAST_MILLIS, Math.min(LAST_MILLIS, time));
}

function byEnd(a: FinishedBuild, b: FinishedBuild): number {
  return a.finishedAt - b.finishedAt || a.id - b.id;
}

/**
 * In the original, a negative number counted running builds, too, and was answered with a fault for
 * them. Its clients go from -1 down to the first fault, so here it counts what has ended.
 */
export async function buildOf(asking: Asking, builder: string, number: number): Promise<WholeBuild> {
  const include = ["steps", "logs"];
  if (number >= 0) return asking.get("builds.get", { builder, number, include });
  let back = -number;
  const params = { builder, state: "finished", fields: ["id"], limit: Math.min(back, NAMES_PAGE) };
  for await (const { id } of asking.list<{ id: number }>("builds.list", params)) {
    back -= 1;
    if (back === 0) return asking.get("builds.get", { build: id, include });
  }
  throw new Unanswerable("there is no such build");
}
