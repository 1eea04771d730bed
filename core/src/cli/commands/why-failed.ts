import { setTimeout as sleep } from "node:timers/promises";
import type { Failure } from "../../api/failures.ts";
import type { BuildAnswer } from "../answers.ts";
import { readBuildRef } from "../build-ref.ts";
import type { CliCommand } from "../cli-command.ts";
import { EXIT } from "../exit-code.ts";
import type { Paint } from "../paint.ts";
import { logLine, oneLine } from "../plain-text.ts";
import type { Session } from "../session.ts";

const LOOK_EVERY = 250;
const PATIENCE = 10_000;
const MOST_CHANGES = 20;

interface FailureAnswer {
  build: number;
  state: "none" | "wanted" | "made";
  failure: Failure | null;
}

/** `belfry why-failed`: what is known of a build that failed. */
const whyFailed: CliCommand = {
  name: "why-failed",
  summary: "tell why a build failed: its errors, failed tests, and what changed",
  define: (command) => {
    command
      .argument("<build...>", "BUILDER NUMBER, BUILDER last or a build's id")
      .addHelpText("after", "\nEnds with 1 if the build failed, with 0 if it did not, or not yet.");
  },
  async run(session, [words]) {
    const { ref } = readBuildRef(words as string[]);
    const build = await session.call<BuildAnswer>("builds.get", ref);
    const answer = await explained(session, build.id);
    session.print({ ...answer }, () => lines(build, answer, session.out.paint));
    return answer.state === "none" ? EXIT.fine : EXIT.bad;
  },
};

export default whyFailed;

/** A build that has just ended is looked into at this moment. */
async function explained(session: Session, build: number): Promise<FailureAnswer> {
  for (let waited = 0; ; waited += LOOK_EVERY) {
    const answer = await session.call<FailureAnswer>("builds.failure", { build });
    if (answer.state !== "wanted" || waited >= PATIENCE || session.signal.aborted) return answer;
    await sleep(LOOK_EVERY, undefined, { signal: session.signal }).catch(() => undefined);
  }
}

function lines(build: BuildAnswer, { state, failure }: FailureAnswer, paint: Paint): string[] {
  const name = `${oneLine(build.builder, 80)} #${build.number}`;
  if (state === "none") {
    const { result } = build;
    return [result === null ? `${name} has not ended yet.` : `${name} did not fail; it ended as ${result}.`];
  }
  if (failure === null) return [`${name} failed; nobody has looked into it yet.`];
  const said = build.summary === "" ? "" : `: ${oneLine(build.summary, 300)}`;
  return [
    `${name} ended as ${paint.result(build.result ?? "failure")}${said}`,
    ...failure.steps.flatMap((step) => stepLines(step, paint)),
    ...(failure.moreSteps ? ["", "More steps failed than are listed here."] : []),
    ...failingLines(failure.failing),
    "",
    ...sinceLines(failure),
  ];
}

function stepLines({ step, name, result, summary, logs }: Failure["steps"][number], paint: Paint): string[] {
  const heading = `step ${step} ${oneLine(name, 80)}: ${result}${summary === "" ? "" : `, ${oneLine(summary, 300)}`}`;
  return [
    "",
    paint.bold(heading),
    ...logs.flatMap((log) => [
      paint.dim(`${oneLine(log.name, 60)}, ${log.of === "errors" ? "lines that name errors" : "its last lines"}:`),
      ...log.lines.map(({ number, text }) => `${String(number + 1).padStart(6)}  ${logLine(text, paint.on)}`),
    ]),
  ];
}

function failingLines(failing: readonly string[]): string[] {
  if (failing.length === 0) return [];
  return [
    "",
    `${failing.length === 1 ? "1 test" : `${failing.length} tests`} failed:`,
    ...failing.map((one) => `  ${oneLine(one, 200)}`),
  ];
}

function sinceLines({ lastGood, changes, moreChanges }: Failure): string[] {
  const revision = lastGood?.revision ? ` (${oneLine(lastGood.revision.slice(0, 12))})` : "";
  const good = lastGood
    ? `The last good build was #${lastGood.number}${revision}`
    : "There is no good build of this branch";
  if (changes.length === 0) return [`${good}; no change is known since.`];
  const left = changes.length > MOST_CHANGES || moreChanges;
  return [
    `${good}; what was built since:`,
    ...changes
      .slice(0, MOST_CHANGES)
      .map(
        ({ revision: of, author, comments }) =>
          `  ${oneLine((of ?? "?").slice(0, 12))}  ${oneLine(author, 40)}  ${oneLine(comments, 120)}`,
      ),
    ...(left ? ["  and more"] : []),
  ];
}
