import type { RunningBuild, StatusAnswer } from "../answers.ts";
import type { Paint } from "../paint.ts";
import { oneLine, pad } from "../plain-text.ts";
import { clockText, timeText } from "../time-text.ts";
import { sourceText } from "./build-facts.ts";

const BAR = 20;
const DONE_STEPS = 4;

export interface PanelOptions {
  paint: Paint;
  /** The master's time now. */
  now: number;
  /** Lines there is room for. */
  rows: number;
}

/** The lines that show what runs now. */
export function panel(status: StatusAnswer, { paint, now, rows }: PanelOptions): string[] {
  const { builds, pending, workers } = status;
  const away = workers.filter((worker) => !worker.connected).map((worker) => oneLine(worker.name, 40));
  const footer = [
    builds.length === 0 ? "nothing is built now" : count(builds.length, "build runs", "builds run"),
    pending === 0 ? "" : count(pending, "request waits", "requests wait"),
    away.length === 0 ? "" : `away: ${away.join(", ")}`,
  ].filter((part) => part !== "");
  const lines: string[] = [];
  const room = Math.max(1, Math.floor((rows - 2) / Math.max(1, builds.length)) - 1);
  for (const build of builds) lines.push(...buildLines(build, paint, now, room));
  return [...lines, paint.dim(footer.join(", "))];
}

function buildLines(build: RunningBuild, paint: Paint, now: number, room: number): string[] {
  const { startedAt, usualMillis, steps, stepCount } = build;
  const elapsed = startedAt === null ? 0 : now - startedAt;
  const head = [
    paint.bold(`${oneLine(build.builder, 60)} #${build.number}`),
    sourceText(build),
    clockText(elapsed),
    startedAt !== null && usualMillis !== null && usualMillis > 0
      ? progress(elapsed, usualMillis, paint)
      : `step ${steps.length} of ${stepCount}`,
    build.stopping ? paint.yellow("stopping") : "",
    paint.dim(oneLine(build.reason, 80)),
  ];
  const hidden = Math.max(0, steps.length - Math.max(1, Math.min(room, DONE_STEPS + 1)));
  const shown = steps.slice(hidden).map((step) => {
    const state =
      step.finishedAt === null
        ? paint.cyan("▸")
        : paint.result(step.result, step.result === "success" ? "✓" : step.result === "skipped" ? "-" : "✗");
    const time =
      step.finishedAt === null ? clockText(now - step.startedAt) : timeText(step.finishedAt - step.startedAt);
    const result = step.result === null || step.result === "success" ? "" : `${paint.result(step.result)} `;
    return `  ${state} ${step.step} ${pad(oneLine(step.name, 40), 24)} ${pad(time, 9)} ${result}${oneLine(step.summary, 200)}`;
  });
  if (hidden > 0 && shown.length > 1) shown[0] = paint.dim(`  ${hidden + 1} steps before`);
  return [head.filter((part) => part !== "").join("  "), ...shown];
}

/** How far a build is, going by how long it usually takes. */
function progress(elapsed: number, usual: number, paint: Paint): string {
  const part = Math.min(1, elapsed / usual);
  const full = Math.round(part * BAR);
  const bar = `[${paint.green("█".repeat(full))}${"░".repeat(BAR - full)}]`;
  return part < 1
    ? `${bar} ${Math.floor(part * 100)} %, ${clockText(usual - elapsed)} left`
    : `${bar} ${clockText(elapsed - usual)} longer than usual`;
}

function count(number: number, one: string, more: string): string {
  return `${number} ${number === 1 ? one : more}`;
}
