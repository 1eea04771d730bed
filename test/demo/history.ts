import type { Result } from "belfry";
import { BUILDERS, type DemoBuilder, FILES, MACHINES, PEOPLE, type Person, SUBJECTS } from "./farm.ts";
import { BROKEN_TESTS, FLAKY_TESTS, type Trouble } from "./outputs.ts";
import { Random } from "./random.ts";

/** When the demo's pictures are taken: a Thursday afternoon. */
export const NOW = Date.UTC(2026, 4, 21, 14, 37, 20);
export const BUILDS = 2_000;

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export interface DemoChange {
  id: number;
  author: Person;
  subject: string;
  body: string;
  branch: string;
  revision: string;
  files: string[];
  at: number;
  docs: boolean;
  python: boolean;
}

export interface DemoBuild {
  builder: DemoBuilder;
  change: DemoChange;
  scheduler: string;
  reason: string;
  owner: string | undefined;
  asked: number;
  /** Of the request that it builds; a retried one has several. */
  request: number;
  worker: string;
  from: number;
  to: number;
  result: Result;
  trouble: Trouble;
  failing: string[];
  /** Not begun yet at the moment of the pictures. */
  waits: boolean;
}

/** What happened in the last weeks, in the order in which builds began. Nothing here depends on the time or the machine. */
export function makeHistory(): { changes: DemoChange[]; builds: DemoBuild[] } {
  const random = new Random(20_260_521);
  const changes = makeChanges(random);
  const asked = wishes(changes, random);
  const builds = runBuilds(asked, random);
  const begun = builds.filter(({ waits }) => !waits);
  const kept = new Set(begun.slice(-BUILDS));
  const oldest = begun.at(-BUILDS)?.from ?? 0;
  return {
    changes: changes.filter(({ at }) => at >= oldest - HOUR),
    builds: builds.filter((build) => build.waits || kept.has(build)),
  };
}

function makeChanges(random: Random): DemoChange[] {
  const moments: number[] = [];
  for (let day = 24; day >= 0; day--) {
    const midnight = NOW - (NOW % DAY) - day * DAY;
    const weekend = [0, 6].includes(new Date(midnight).getUTCDay());
    const many = weekend ? random.whole(0, 2) : random.whole(6, 10);
    for (let i = 0; i < many; i++)
      moments.push(midnight + random.whole(7 * 60, 20 * 60) * MINUTE + random.whole(0, 59_000));
  }
  for (const ago of [3, 11, 26, 41, 72, 98, 131, 167]) moments.push(NOW - ago * MINUTE - 17_000);
  const times = moments.filter((at) => at < NOW - 2 * MINUTE).sort((a, b) => a - b);
  const crowd = PEOPLE.flatMap((person) => Array.from({ length: person.weight }, () => person));
  return times.map((at, i) => {
    const subject = SUBJECTS[(i * 11 + random.whole(0, 2)) % SUBJECTS.length] ?? "";
    const docs = subject.startsWith("docs:");
    const branch = random.chance(0.1)
      ? "release/3.2"
      : random.chance(0.12)
        ? `topic/gh-${random.whole(1_300, 1_460)}`
        : "main";
    return {
      id: i + 1,
      author: random.one(crowd),
      subject,
      body: random.chance(0.4)
        ? "\n\nMeasured on the usual images: no difference that could be seen.\nReviewed-by: Ada Lindqvist"
        : "",
      branch,
      revision: random.hex(40),
      files: docs ? ["docs/guide/windows.rst"] : Array.from({ length: random.whole(1, 4) }, () => random.one(FILES)),
      at,
      docs,
      python: subject.startsWith("python:") || random.chance(0.3),
    };
  });
}

type Wish = Pick<DemoBuild, "builder" | "change" | "scheduler" | "reason" | "owner" | "asked">;

function wishes(changes: readonly DemoChange[], random: Random): Wish[] {
  const found: Wish[] = [];
  for (const change of changes) {
    const topic = change.branch.startsWith("topic/");
    for (const builder of BUILDERS) {
      const fits =
        builder.when === "site"
          ? change.branch === "main" && (change.docs || change.id % 3 === 0)
          : !change.docs &&
            (builder.when === "topic" || (builder.when === "push" && !topic)) &&
            (builder.project !== "lumen-py" || change.python);
      if (!fits) continue;
      const scheduler =
        builder.when === "site" ? "site" : topic ? "topics" : builder.project === "lumen-py" ? "python" : "push";
      const asked = change.at + (topic ? 5_000 : MINUTE);
      found.push({
        builder,
        change,
        scheduler,
        reason: `The ${scheduler} scheduler saw 1 change`,
        owner: undefined,
        asked,
      });
    }
  }
  for (let night = NOW - (NOW % DAY) + 2 * HOUR; night > (changes[0]?.at ?? NOW); night -= DAY) {
    const change = changes.filter(({ at, branch }) => at < night && branch === "main").at(-1);
    if (change === undefined) continue;
    for (const builder of BUILDERS.filter(({ when }) => when === "nightly"))
      found.push({
        builder,
        change,
        scheduler: "nightly",
        reason: "It is 02:00 (UTC)",
        owner: undefined,
        asked: night,
      });
  }
  const last = changes.at(-3);
  for (const name of ["windows-msvc", "linux-tsan"]) {
    const builder = BUILDERS.find((one) => one.name === name);
    if (builder === undefined || last === undefined) continue;
    const person = random.one(PEOPLE).name;
    found.push({
      builder,
      change: last,
      scheduler: "by hand",
      reason: `forced by ${person}: does it still happen?`,
      owner: person,
      asked: NOW - 9 * MINUTE,
    });
  }
  return found.sort((a, b) => a.asked - b.asked);
}

/** Gives what is asked for to machines, each with so many places, one build of a builder at a time. */
function runBuilds(asked: readonly Wish[], random: Random): DemoBuild[] {
  const free = new Map(MACHINES.map(({ name, slots }) => [name, Array.from({ length: slots }, () => 0)]));
  const builds: DemoBuild[] = [];
  let request = 0;
  for (const wish of asked) {
    const { builder } = wish;
    request += 1;
    for (let attempt = 0, earliest = wish.asked + 2_000; attempt < 3; attempt++) {
      const [worker, slot, at] = soonest(builder.workers, free, earliest);
      const outcome = outcomeOf(wish, at, random);
      const slow = worker === "attic-pi" && builder.name === "linux-arm64" ? 2.4 : 1;
      const share = outcome.trouble === "compile" ? 0.5 : outcome.trouble === "exception" ? 0.3 : 1;
      const takes = Math.round(builder.minutes * MINUTE * slow * share * (0.85 + random.next() * 0.35));
      const to = at + takes;
      const waits = at > NOW - 3_000;
      const slots = free.get(worker) ?? [];
      if (!waits) slots[slot] = to;
      builds.push({ ...wish, request, worker, from: at, to, waits, ...outcome });
      if (outcome.result !== "retry" || waits || to > NOW) break;
      earliest = to + MINUTE;
    }
  }
  return builds.sort((a, b) => a.from - b.from);
}

/** When a worker that is away or paused began its last build at the latest. */
const TAKES_NONE_SINCE = new Map(
  MACHINES.flatMap(({ name, away, paused }): [string, number][] =>
    away ? [[name, NOW - 14 * HOUR]] : paused ? [[name, NOW - 35 * MINUTE]] : [],
  ),
);

function soonest(
  workers: readonly string[],
  free: ReadonlyMap<string, number[]>,
  earliest: number,
): [string, number, number] {
  let best: [string, number, number] = [workers[0] ?? "", 0, Number.MAX_SAFE_INTEGER];
  for (const worker of workers) {
    for (const [slot, at] of (free.get(worker) ?? []).entries()) {
      const start = Math.max(earliest, at);
      if (start > (TAKES_NONE_SINCE.get(worker) ?? Number.MAX_SAFE_INTEGER)) continue;
      if (start < best[2]) best = [worker, slot, start];
    }
  }
  return best;
}

/** The stories of the farm: what broke when, and who mended it. */
function outcomeOf(
  { builder, change }: Wish,
  at: number,
  random: Random,
): Pick<DemoBuild, "result" | "trouble" | "failing"> {
  const luck = random.next() * 100;
  const ago = NOW - change.at;
  const main = change.branch === "main";
  const red = (trouble: Trouble, failing: string[] = []) => ({ result: "failure" as const, trouble, failing });
  // Jun forgot that Windows has no ssize_t; it took him the morning to notice.
  if (builder.family === "windows" && main && ago > 95 * MINUTE && ago < 6 * HOUR) return red("compile");
  // A codec change lost the ICC profile, everywhere, and was taken back an hour later.
  if (builder.family !== "site" && main && builder.when !== "nightly" && ago > 60 * MINUTE && ago < 100 * MINUTE)
    return red("test", BROKEN_TESTS);
  // Big endian has been red for a week, and nobody has the time.
  if (builder.name === "linux-s390x" && main && ago < 6 * DAY) return red("test", ["codec.roundtrip_16bit"]);
  // Two bad days of long ago.
  if (main && ago > 8 * DAY && ago < 8.2 * DAY && builder.family !== "site") return red("compile");
  if (builder.name === "docs" && ago > 2 * DAY && ago < 2.6 * DAY) return red("links");
  if (luck < (builder.flaky ?? 0.8)) {
    if (["attic-pi", "oldmac"].some((name) => builder.workers.includes(name)) && luck < 2)
      return { result: "retry", trouble: "exception", failing: [] };
    return builder.family === "site"
      ? red("links")
      : red("test", [FLAKY_TESTS[Math.floor(at / 1_000) % FLAKY_TESTS.length] ?? ""]);
  }
  if (luck > 99.3) return { result: "cancelled", trouble: undefined, failing: [] };
  if (luck > 99.1) return { result: "exception", trouble: "exception", failing: [] };
  if (builder.warns) return { result: "warnings", trouble: "warnings", failing: [] };
  return { result: "success", trouble: undefined, failing: [] };
}
