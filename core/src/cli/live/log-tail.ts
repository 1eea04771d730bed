import type { LogAnswer, LogPage, StepAnswer } from "../answers.ts";
import { logLine, oneLine } from "../plain-text.ts";
import type { Ask } from "./follow.ts";

const LINES = 20;

/** The last lines of the log of the step that made a build fail, under a heading; nothing if there is none. */
export async function failureTail(ask: Ask, build: number, colours: boolean): Promise<string[]> {
  const { items: steps } = await ask<{ items: StepAnswer[] }>("builds.steps", { build });
  const step = failedStep(steps);
  if (!step) return [];
  const { items: logs } = await ask<{ items: LogAnswer[] }>("logs.list", { build, step: step.step });
  const log = logs.find(({ name }) => name === "error") ?? logs.find(({ name }) => name === "stdio") ?? logs[0];
  if (!log) return [];
  const page = await ask<LogPage>("logs.read", { build, step: step.step, log: log.log, first: -LINES, count: LINES });
  if (page.items.length === 0) return [];
  const left = page.items[0]?.number ?? 0;
  return [
    `step ${step.step} ${oneLine(step.name, 80)}, log ${oneLine(log.name, 40)}${left > 0 ? `, its last ${page.items.length} of ${page.lines} lines` : ""}:`,
    ...page.items.map(({ text }) => logLine(text.slice(0, 2_000), colours)),
  ];
}

/** The step to look at first when a build went wrong. */
export function failedStep(steps: readonly StepAnswer[]): StepAnswer | undefined {
  const order = ["exception", "failure", "retry", "cancelled", "warnings"];
  // A group only repeats what one of its steps says.
  const single = steps.filter(({ kind }) => kind !== "parallel" && kind !== "sequence");
  for (const result of order) {
    const found = single.find((step) => step.result === result);
    if (found) return found;
  }
  return undefined;
}
