import type { Millis } from "../../interfaces/values.ts";
import type { BuilderOutcome, Outcome, Waits, WorkerOutcome } from "../../simulation/outcome.ts";
import { sentence } from "../commands/why.ts";
import { oneLine } from "../plain-text.ts";
import { table } from "../table.ts";
import { dayText, hourText, timeText } from "../time-text.ts";
import { differencesOf } from "./differences.ts";

const BUILDER = ["BUILDER", "BUILDS", "FAILED", "WAITED", "95 %", "LONGEST", "BUSY", "COLLAPSED", "EXPIRED", "WAITING"];
const WORKER = ["WORKER", "SLOTS", "BUILDS", "BUSY", "IN USE"];
const BUILD = ["BUILDER", "NUMBER", "WORKER", "STARTED", "WAITED", "LASTED", "RESULT"];

const name = (text: string) => oneLine(text, 60);
const number = (value: number) => value.toLocaleString("en-US");
const count = (value: number, one: string, many = `${one}s`) => `${number(value)} ${value === 1 ? one : many}`;

/** What came of one simulation, as lines. */
export function outcomeLines(outcome: Outcome, columns: number | undefined, builds: boolean): string[] {
  const { builders, workers } = outcome;
  return [
    `${dayText(outcome.from)} to ${dayText(outcome.until)}: ${count(outcome.changes, "change")}, ` +
      `${count(outcome.buildsets, "buildset")}, ${count(outcome.requests, "request")}, ${count(outcome.builds.length, "build")}.`,
    `Requests waited ${waitText(outcome.waited)}. At the end ${count(outcome.waiting, "request")} waited and ` +
      `${count(outcome.running, "build")} ran.`,
    "",
    ...table(
      BUILDER,
      builders.map((one) => [name(one.builder), ...builderCells(one)]),
      columns,
    ),
    "",
    ...table(
      WORKER,
      workers.map((one) => [name(one.worker), ...workerCells(one)]),
      columns,
    ),
    ...longest(outcome),
    ...(builds ? ["", ...table(BUILD, outcome.builds.map(buildCells(outcome)), columns)] : []),
    ...noteLines(outcome),
  ];
}

/** How the second went otherwise than the first, as lines. */
export function comparisonLines(before: Outcome, after: Outcome, columns: number | undefined): string[] {
  const { builders, workers } = differencesOf(before, after);
  const same = (all: number, different: number, what: string) =>
    all === different ? [] : [`${count(all - different, what)} as before.`];
  const either = (before: string[] | undefined, after: string[] | undefined) =>
    (before ?? after ?? []).map((_, i) => change(before?.[i], after?.[i]));
  const total = (outcome: Outcome) => [
    number(outcome.builds.length),
    ...waitCells(outcome.waited),
    timeText(outcome.busy),
    number(outcome.waiting),
  ];
  const names = <T>(a: readonly T[], b: readonly T[], nameOf: (one: T) => string) =>
    new Set([...a, ...b].map(nameOf)).size;
  return [
    `${dayText(before.from)} to ${dayText(before.until)}, ${count(before.changes, "change")}: before → after.`,
    "",
    ...table(
      ["BUILDS", "WAITED", "95 %", "LONGEST", "BUSY", "WAITING"],
      [either(total(before), total(after))],
      columns,
    ),
    "",
    ...(builders.length === 0
      ? []
      : table(
          BUILDER,
          builders.map((pair) => [
            name(pair.name),
            ...either(
              pair.before ? builderCells(pair.before) : undefined,
              pair.after ? builderCells(pair.after) : undefined,
            ),
          ]),
          columns,
        )),
    ...same(
      names(before.builders, after.builders, ({ builder }) => builder),
      builders.length,
      "builder",
    ),
    "",
    ...(workers.length === 0
      ? []
      : table(
          WORKER,
          workers.map((pair) => [
            name(pair.name),
            ...either(
              pair.before ? workerCells(pair.before) : undefined,
              pair.after ? workerCells(pair.after) : undefined,
            ),
          ]),
          columns,
        )),
    ...same(
      names(before.workers, after.workers, ({ worker }) => worker),
      workers.length,
      "worker",
    ),
    ...longestOfBoth(before, after),
    ...noteLines(before),
    ...noteLines(after),
  ];
}

function change(before: string | undefined, after: string | undefined): string {
  if (before === after) return before ?? "";
  return `${before ?? "none"} → ${after ?? "none"}`;
}

function waitText(waited: Waits | null): string {
  if (waited === null) return "for nothing: no build began";
  return `${timeText(waited.p50)} (half of them at most), ${timeText(waited.p95)} (95 %), ${timeText(waited.max)} (all)`;
}

function waitCells(waited: Waits | null): string[] {
  return waited === null ? ["", "", ""] : [waited.p50, waited.p95, waited.max].map(timeText);
}

function builderCells(one: BuilderOutcome): string[] {
  const { failure = 0, exception = 0 } = one.results;
  return [
    number(one.builds),
    number(failure + exception),
    ...waitCells(one.waited),
    timeText(one.busy),
    number(one.collapsed),
    number(one.expired),
    number(one.waiting),
  ];
}

function workerCells({ slots, builds, busy, utilisation }: WorkerOutcome): string[] {
  return [String(slots), number(builds), timeText(busy), `${(utilisation * 100).toFixed(1)} %`];
}

function buildCells({ until }: Outcome) {
  return (build: Outcome["builds"][number]): string[] => [
    name(build.builder),
    String(build.number),
    name(build.worker),
    dayText(build.startedAt),
    timeText(build.startedAt - build.submittedAt),
    timeText((build.finishedAt ?? until) - build.startedAt),
    build.result ?? "running",
  ];
}

function longest({ longestWaits }: Outcome, which = ""): string[] {
  if (longestWaits.length === 0) return [];
  return [
    "",
    `The longest waits${which}:`,
    ...longestWaits.flatMap(({ request, builder, since, waited, startedAt, why }) => [
      `  ${timeText(waited)}: request ${request} for ${name(builder)}, from ${dayText(since)}${startedAt === null ? " on, without a build" : ""}`,
      ...(why?.reasons ?? []).map((reason) => `    at ${hourText(why?.at as Millis)}: ${sentence(reason, why?.at)}`),
    ]),
  ];
}

function longestOfBoth(before: Outcome, after: Outcome): string[] {
  const same = JSON.stringify(before.longestWaits) === JSON.stringify(after.longestWaits);
  return same ? longest(before, ", as before") : [...longest(before, " before"), ...longest(after, " after")];
}

function noteLines({ notes }: Outcome): string[] {
  if (notes.length === 0) return [];
  return [
    "",
    "What went wrong in the configuration's own code:",
    ...notes.map(({ message, times }) => `  ${oneLine(message)}${times === 1 ? "" : ` (${number(times)} times)`}`),
  ];
}
