import { branchOf, buildText, resultNumber, revisionOf, stepText, stepText2 } from "@belfry/buildbot-words";
import { BelfryError } from "belfry";
import type { Asking, StepItem, WholeBuild } from "./answers.ts";
import { time } from "./rows.ts";

export interface StructOptions {
  buildbotURL: string;
  /** How many characters `full_error` has of each log. */
  errorLimit: number;
}

/**
 * What `getBuild` tells. Of a build or step that still runs it leaves out what is not known yet, where
 * the original answered with a fault.
 */
export async function buildStruct(asking: Asking, build: WholeBuild, options: StructOptions): Promise<object> {
  const text = build.result === null ? ["building"] : buildText(build);
  const failed = text[0] === "failed";
  return {
    builder_name: build.builder,
    url: urlOf(build, options.buildbotURL),
    reason: build.reason,
    slavename: build.worker || "???",
    results: resultNumber(build.result),
    text,
    reasons: failed ? build.steps.filter(({ name }) => text.includes(name)).map(stepText) : [],
    number: build.number,
    branch: branchOf(build) ?? "",
    revision: revisionOf(build),
    start: time(build.startedAt ?? build.assignedAt),
    end: build.finishedAt === null ? null : time(build.finishedAt),
    steps: build.steps.map(stepStruct),
    full_error: await fullError(asking, build, options.errorLimit),
    logs: build.logs.map(({ step, name }) => ({ name: `${nameOf(build, step)}/${name}`, text: "HUGE" })),
  };
}

function stepStruct(step: StepItem): object {
  return {
    name: step.name,
    start: time(step.startedAt),
    end: step.finishedAt === null ? null : time(step.finishedAt),
    results: step.result === null ? null : [resultNumber(step.result), stepText2(step)],
    text: stepText(step),
  };
}

function nameOf(build: WholeBuild, step: number): string {
  return build.steps.find((one) => one.step === step)?.name ?? String(step);
}

function urlOf(build: WholeBuild, base: string): string {
  if (base === "") return "";
  const name = encodeURIComponent(build.builder).replace(
    /[!'()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `${base.replace(/\/?$/, "/")}builders/${name}/builds/${build.number}`;
}

/** The last log of each step that failed. */
async function fullError(asking: Asking, build: WholeBuild, limit: number): Promise<Record<string, string>> {
  const errors: Record<string, string> = Object.create(null);
  for (const step of build.steps.filter((step) => stepText(step).at(-1) === "failed")) {
    const log = build.logs.findLast((log) => log.step === step.step);
    if (log === undefined) continue;
    try {
      errors[step.name] = await endOf(asking, build.id, log, limit);
    } catch (error) {
      // The log may be gone by now; the rest of the answer is still worth having.
      if (!BelfryError.is(error) || error.code !== "BELFRY_NOT_FOUND") throw error;
    }
  }
  return errors;
}

const PAGE = 1_000;

interface Lines {
  items: { channel: string; text: string }[];
}

/** The end of a log without its headers, at most about `limit` characters of it, in whole lines. */
async function endOf(asking: Asking, build: number, log: WholeBuild["logs"][number], limit: number): Promise<string> {
  const lines: string[] = [];
  let size = 0;
  for (let before = log.lines; before > 0; ) {
    const first = Math.max(0, before - PAGE);
    const count = before - first;
    const page = await asking.get<Lines>("logs.read", { build, step: log.step, log: log.log, first, count });
    for (const { channel, text } of page.items.toReversed()) {
      if (channel === "header") continue;
      size += text.length + 1;
      if (size > limit && lines.length > 0) return `[...]\n${joined(lines)}`;
      lines.push(text.length > limit ? `[...]${text.slice(-limit)}` : text);
    }
    before = first;
  }
  return joined(lines);
}

function joined(reversed: readonly string[]): string {
  return reversed
    .toReversed()
    .map((line) => `${line}\n`)
    .join("");
}
