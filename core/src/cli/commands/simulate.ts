import { dirname, resolve } from "node:path";
import type { Generation } from "../../config/generation.ts";
import { findConfig, loadConfigFile } from "../../config/load.ts";
import { systemClock } from "../../engine/system-clock.ts";
import { BelfryError } from "../../errors/belfry-error.ts";
import { faults } from "../../errors/catalogue.ts";
import type { Json, Millis } from "../../interfaces/values.ts";
import type { Outcome } from "../../simulation/outcome.ts";
import type { ConfigurationFile } from "../../simulation/simulated-configuration.ts";
import type { CliCommand } from "../cli-command.ts";
import { EXIT } from "../exit-code.ts";
import type { Session } from "../session.ts";
import { assumptions } from "../simulation/assumptions.ts";
import { differencesOf } from "../simulation/differences.ts";
import { readMoment } from "../simulation/moment.ts";
import { comparisonLines, outcomeLines } from "../simulation/report.ts";
import { dayText } from "../time-text.ts";

interface SimulateOptions {
  changes?: string;
  since?: string;
  until?: string;
  durations?: string;
  present?: string;
  alone?: boolean;
  builds?: boolean;
}

interface Subject extends ConfigurationFile {
  file: string;
  generation: Generation;
}

const DAY = 86_400_000;
/** So few builds are listed without being asked for. */
const FEW_BUILDS = 40;
const PROGRESS_MILLIS = 250;

/** `belfry simulate`: what a configuration would do with changes, without doing it. */
const simulate: CliCommand = {
  name: "simulate",
  refusal: EXIT.unusable,
  summary: "tell what would be built when and where, and how long requests would wait; does nothing real",
  define: (command) => {
    command
      .option("--changes <file>", "changes to simulate: JSON lines, each with `at` and what `changes.add` takes")
      .option("--since <time>", "simulate the recorded changes from then on; with --changes, when it begins")
      .option("--until <time>", "when it ends; default: now, or with --changes a day after the last one")
      .option("--durations <file>", 'how long builds last, as JSON: { "builder": "10m", "other": { "worker": "5m" } }')
      .option("--present <file>", "compare --config with this configuration; default: the one in this folder")
      .option("--alone", "simulate --config alone, and compare it with nothing")
      .option("--builds", "list every build")
      .addHelpText("after", HELP);
  },
  async run(session, _positional, given) {
    const options = given as SimulateOptions;
    if (options.changes === undefined && options.since === undefined)
      throw faults.usage("`belfry simulate` needs --changes FILE or --since TIME.");
    if (options.alone && options.present !== undefined) throw faults.usage("--alone and --present exclude each other.");
    const now = Date.now();
    const since = options.since === undefined ? undefined : readMoment("--since", options.since, now);
    const until = options.until === undefined ? undefined : readMoment("--until", options.until, now);
    return carryOut(session, options, now, since, until);
  },
};

export default simulate;

const HELP = `
Times are dates such as 2026-03-01 or 2026-03-01T08:00Z, or how long ago: 30d.
With --config NEW it is compared with the present configuration.`;

async function carryOut(
  session: Session,
  options: SimulateOptions,
  now: Millis,
  since: Millis | undefined,
  until: Millis | undefined,
): Promise<number> {
  const [{ readChanges }, { readDurations }, { BuildModel }, { simulate: play }] = await Promise.all([
    import("../../simulation/change-file.ts"),
    import("../../simulation/durations-file.ts"),
    import("../../simulation/build-model.ts"),
    import("../../simulation/simulation.ts"),
  ]);
  const path = (file: string) => resolve(session.cwd, file);
  const written = options.changes === undefined ? undefined : await readChanges(path(options.changes));
  const durations = options.durations === undefined ? undefined : await readDurations(path(options.durations));
  const from = since ?? written?.[0]?.at;
  if (from === undefined)
    throw faults.usage(`${options.changes} holds no change, so --since has to say when to begin.`);
  const end = until ?? (written ? (written.at(-1)?.at ?? from) + DAY : now);
  if (end < from) throw faults.usage("--until lies before the beginning.");

  const subjects = await findSubjects(session, options);
  const past = await recorded(session, subjects, from, end, written === undefined);
  const changes = (written ?? past.changes).filter(({ at }) => at >= from && at <= end);
  const model = new BuildModel(past.builders, durations);
  const outcomes: Outcome[] = [];
  for (const [i, config] of subjects.entries()) {
    const progress = progressOf(session, from, end, i, subjects.length);
    try {
      outcomes.push(
        await play({
          config,
          from,
          until: end,
          changes,
          model,
          signal: session.signal,
          simulatesDate: true,
          progress: progress.tell,
        }),
      );
    } finally {
      progress.end();
    }
  }
  print(session, options, subjects, outcomes, assumptions(outcomes, past));
  return EXIT.fine;
}

/** The configuration that is simulated, after the one it is compared with. */
async function findSubjects(session: Session, { present, alone }: SimulateOptions): Promise<Subject[]> {
  const { simulatedConfiguration } = await import("../../simulation/simulated-configuration.ts");
  const file = session.configFile;
  const files = [file];
  if (!alone) {
    try {
      const usual = findConfig(present, session.cwd);
      if (usual !== file) files.unshift(usual);
    } catch (error) {
      const missing = BelfryError.is(error) && error.code === "BELFRY_CONFIG_NOT_FOUND";
      if (!missing || present !== undefined) throw error;
    }
  }
  // What was recorded is beside the present one.
  const stateFolder = session.stateFolderOf(dirname(files[0] as string));
  const subjects: Subject[] = [];
  for (const file of files) {
    const { value, folder } = await loadConfigFile(file);
    const config = { value, folder, stateFolder };
    const { generation } = simulatedConfiguration(config, systemClock, () => {
      throw new Error("nothing is stored before the simulation begins");
    });
    subjects.push({ file, generation, ...config });
  }
  return subjects;
}

/** What the master of the first configuration has recorded; it has to be there only if its changes are wanted. */
async function recorded(session: Session, subjects: readonly Subject[], from: Millis, until: Millis, wanted: boolean) {
  const { FarmHistory } = await import("../../simulation/farm-history.ts");
  const { generation, stateFolder } = subjects[0] as Subject;
  const nothing = { changes: [], builders: new Map(), forced: 0, results: false, history: false, problem: undefined };
  try {
    const { part } = generation.database;
    await using history = await FarmHistory.open(part, stateFolder, session.signal, () => undefined);
    const builders = await history.builders(
      subjects.map((subject) => subject.generation),
      from,
      until,
    );
    const results = [...builders.values()].some((builder) => builder.results.size > 0);
    const changes = wanted ? await history.changes(from, until) : [];
    const forced = wanted ? await history.forced(from, until) : 0;
    return { changes, builders, forced, results, history: true, problem: undefined };
  } catch (error) {
    if (wanted || !BelfryError.is(error)) throw error;
    return { ...nothing, problem: error.why };
  }
}

function print(
  session: Session,
  options: SimulateOptions,
  subjects: readonly Subject[],
  outcomes: readonly Outcome[],
  taken: readonly string[],
): void {
  const [first, second] = outcomes as [Outcome, Outcome | undefined];
  const { from, until, changes } = first;
  const runs = outcomes.map(({ builds, ...outcome }, i) => ({
    config: subjects[i]?.file ?? "",
    ...outcome,
    buildCount: builds.length,
    ...(options.builds ? { builds } : {}),
  }));
  const differences = second ? differencesOf(first, second) : null;
  const answer = { from, until, changes, runs, differences, assumptions: [...taken] };
  session.print(answer as unknown as Json, () => {
    const { columns } = session;
    const listed = (outcome: Outcome) => options.builds === true || outcome.builds.length <= FEW_BUILDS;
    const lines = second
      ? [
          `before: ${subjects[0]?.file}`,
          `after:  ${subjects[1]?.file}`,
          ...comparisonLines(first, second, columns),
          ...(options.builds ? outcomes.flatMap((outcome) => ["", ...outcomeLines(outcome, columns, true)]) : []),
        ]
      : outcomeLines(first, columns, listed(first));
    return [...lines, "", "What this rests on:", ...taken.map((text) => `  ${text}`)];
  });
}

/** Tells in a terminal how far it is. */
function progressOf(session: Session, from: Millis, until: Millis, run: number, runs: number) {
  const shown = session.err.isTerminal && !session.json;
  let told = performance.now();
  return {
    tell: (now: Millis) => {
      if (!shown || performance.now() - told < PROGRESS_MILLIS) return;
      told = performance.now();
      const share = Math.floor((100 * (now - from)) / Math.max(1, until - from));
      session.err.write(
        `\r${dayText(now)}, ${share} %${runs > 1 ? ` of ${run === 0 ? "before" : "after"}` : ""}\u001b[K`,
      );
    },
    end: () => {
      if (shown) session.err.write("\r\u001b[K");
    },
  };
}
