import type { Result } from "belfry";
import type { DemoBuild } from "./history.ts";
import { checkoutLog, compileLog, configureLog, siteLog, testLog } from "./outputs.ts";
import { Random } from "./random.ts";

export interface DemoStep {
  name: string;
  kind: string;
  from: number;
  to: number;
  /** Null while it runs. */
  result: Result | null;
  summary: string;
  error?: string;
  log: string;
  failing: string[];
  statistics: Record<string, number>;
}

const TESTS = 1_284;
const PYTHON_TESTS = 346;

/** The steps of a build that have begun by a moment, with what they wrote by then. */
export function stepsOf(build: DemoBuild, now: number): DemoStep[] {
  const random = new Random(Math.floor(build.from / 1_000) ^ (build.builder.name.length * 7_919));
  const { builder, trouble, change } = build;
  const plan =
    builder.family === "site"
      ? ([
          ["checkout", 0.15],
          ["build", 0.85],
        ] as const)
      : ([
          ["checkout", 0.03],
          ["configure", 0.06],
          ["compile", trouble === "test" ? 0.5 : 0.56],
          ["test", 0.35],
        ] as const);
  const whole = build.to - build.from;
  const bad =
    trouble === "compile" ? "compile" : trouble === "test" ? "test" : trouble === "links" ? "build" : undefined;
  const lost = trouble === "exception" || build.result === "cancelled" ? "compile" : undefined;
  const total = builder.family === "python" ? PYTHON_TESTS : TESTS;
  const steps: DemoStep[] = [];
  let at = build.from + random.whole(400, 1_500);
  for (const [i, [name, share]] of plan.entries()) {
    const stops = name === bad || name === lost || i === plan.length - 1;
    const to = stops ? build.to - random.whole(200, 900) : Math.round(at + whole * share * (0.9 + random.next() * 0.1));
    if (at > now) break;
    const running = to > now;
    const done = running ? (now - at) / (to - at) : 1;
    const failed = name === bad;
    const warned = !failed && builder.warns === true && name === "compile";
    const result: Result | null = running
      ? null
      : failed
        ? "failure"
        : name === lost
          ? build.result
          : warned
            ? "warnings"
            : "success";
    const log =
      name === "checkout"
        ? checkoutLog(change.revision, change.branch)
        : name === "configure"
          ? configureLog(builder)
          : name === "compile"
            ? compileLog(builder, name === bad ? "compile" : undefined, random, name === lost ? 0.4 : done)
            : name === "test"
              ? testLog(failed ? build.failing : [], total, done)
              : siteLog(failed ? "links" : undefined);
    steps.push({
      name,
      kind:
        name === "checkout"
          ? "git.checkout"
          : name === "compile"
            ? "steps.compile"
            : name === "test"
              ? "steps.test"
              : "steps.shell",
      from: at,
      to,
      result,
      summary: running ? "" : summaryOf(build, name, failed, warned, total),
      ...(name === lost &&
        trouble === "exception" &&
        !running && { error: `The connection to the worker "${build.worker}" was lost.` }),
      log,
      failing: failed && name === "test" ? build.failing : [],
      statistics: running ? {} : statisticsOf(build, name, failed, total),
    });
    if (stops) break;
    at = to + random.whole(100, 700);
  }
  return steps;
}

function summaryOf(build: DemoBuild, name: string, failed: boolean, warned: boolean, total: number): string {
  if (name === "test") return failed ? `${build.failing.length} of ${total} tests failed` : `${total} tests passed`;
  if (name === "compile") return failed ? "exit code 1" : warned ? "6 warnings" : "";
  if (name === "checkout") return build.change.revision.slice(0, 10);
  return failed ? "1 broken link" : "";
}

function statisticsOf(build: DemoBuild, name: string, failed: boolean, total: number): Record<string, number> {
  if (name !== "test") return {};
  const { length } = failed ? build.failing : [];
  return { tests: total, passed: total - length, failed: length };
}

/** What the build says of itself: its steps that did not go well. */
export function summaryOfBuild(steps: readonly DemoStep[]): string {
  return steps
    .filter(({ result }) => result !== "success" && result !== null)
    .map(({ name, summary, result }) => `${name}: ${summary || result}`)
    .join(", ");
}
