import type { BelfryEvent } from "../../interfaces/status-listener.ts";
import type { Json, Result } from "../../interfaces/values.ts";
import type { Paint } from "../paint.ts";
import { oneLine } from "../plain-text.ts";
import { hourText, timeText } from "../time-text.ts";
import { type FindFacts, sourceText } from "./build-facts.ts";
import type { Ask } from "./follow.ts";
import { failureTail } from "./log-tail.ts";

const MOST_REMEMBERED = 10_000;

export interface EventLinesOptions {
  ask: Ask;
  facts: FindFacts;
  paint: Paint;
  /** Whether steps have lines of their own. */
  steps: boolean;
}

/** Tells what happens in lines that stay: one for an event worth knowing, more for a build that failed. */
export class EventLines {
  readonly #options: EventLinesOptions;
  /** When builds and their steps began, till they end. */
  readonly #begun = new Map<string, number>();

  constructor(options: EventLinesOptions) {
    this.#options = options;
  }

  async of(event: BelfryEvent): Promise<string[]> {
    const lines = await this.#lines(event);
    const time = this.#options.paint.dim(hourText(event.time));
    return lines.map((line, i) => (i === 0 ? `${time} ${line}` : line));
  }

  async #lines({ type, time, data }: BelfryEvent): Promise<string[]> {
    const { paint, steps } = this.#options;
    const text = (key: string) => oneLine(asText(data[key]));
    const build = Number(data["build"]);
    switch (type) {
      case "build.started":
        this.#remember(`${build}`, time);
        return [`${this.#name(data)} started${await this.#about(build)}`];
      case "build.resumed":
        return [`${this.#name(data)} goes on`];
      case "step.started":
        this.#remember(`${build}/${data["step"]}`, time);
        return [];
      case "step.finished": {
        const took = this.#took(`${build}/${data["step"]}`, time);
        if (!steps) return [];
        const name = `${this.#name(data)} step ${data["step"]} ${text("name")}`;
        return [
          `${name}: ${paint.result(data["result"] as Result)}${took === undefined ? "" : ` (${timeText(took)})`}${tail(text("summary"))}`,
        ];
      }
      case "build.finished": {
        const took = this.#took(`${build}`, time) ?? (await this.#tookBy(build, time));
        const result = data["result"] as Result;
        const head = `${this.#name(data)} ${paint.result(result)}${took === undefined ? "" : ` in ${timeText(took)}`}${tail(text("summary"))}`;
        return [head, ...(result === "failure" || result === "exception" ? await this.#tail(build) : [])];
      }
      case "builder.paused":
        return [`${paint.bold(text("builder"))} is paused by ${text("by")}${tail(text("reason"))}`];
      case "builder.resumed":
        return [`${paint.bold(text("builder"))} goes on`];
      case "worker.paused":
        return [`worker ${text("worker")} is paused by ${text("by")}${tail(text("reason"))}`];
      case "worker.resumed":
        return [`worker ${text("worker")} goes on`];
      case "step.waiting":
        return steps ? [`${this.#name(data)} step ${data["step"]} ${text("name")} waits for a lock`] : [];
      case "source.failing":
        return [`${paint.yellow("warning:")} source ${text("source")} cannot look: ${text("error")}`];
      case "source.slow":
        return [`${paint.yellow("warning:")} source ${text("source")} takes long${tail(text("doing"))}`];
      case "source.recovered":
        return [`source ${text("source")} looks again`];
      case "worker.disconnected":
        return [`${paint.yellow("warning:")} worker ${text("worker")} is away`];
      case "listener.parked":
        return [`${paint.yellow("warning:")} listener ${text("listener")} could not deal with an event; it is parked`];
      case "job.parked":
        return [
          `${paint.yellow("warning:")} a job of ${text("plugin")} failed ${text("attempts")} times; it is parked`,
        ];
      default:
        return [];
    }
  }

  #name(data: BelfryEvent["data"]): string {
    return this.#options.paint.bold(`${oneLine(asText(data["builder"]), 80)} #${asText(data["number"])}`);
  }

  async #about(build: number): Promise<string> {
    const facts = await this.#options.facts(build);
    if (!facts) return "";
    const source = sourceText(facts);
    return `${source === "" ? "" : `: ${source}`}${facts.reason === "" ? "" : this.#options.paint.dim(` (${oneLine(facts.reason, 120)})`)}`;
  }

  async #tookBy(build: number, time: number): Promise<number | undefined> {
    const facts = await this.#options.facts(build);
    return facts?.startedAt == null ? undefined : time - facts.startedAt;
  }

  async #tail(build: number): Promise<string[]> {
    const { ask, paint } = this.#options;
    const [heading, ...lines] = await failureTail(ask, build, paint.on).catch(() => []);
    return heading === undefined ? [] : [`  ${heading}`, ...lines.map((line) => `  ${paint.dim("|")} ${line}`)];
  }

  #remember(key: string, time: number): void {
    this.#begun.set(key, time);
    const oldest = this.#begun.keys().next().value;
    if (this.#begun.size > MOST_REMEMBERED && oldest !== undefined) this.#begun.delete(oldest);
  }

  #took(key: string, time: number): number | undefined {
    const begun = this.#begun.get(key);
    this.#begun.delete(key);
    return begun === undefined ? undefined : time - begun;
  }
}

function tail(summary: string): string {
  return summary === "" ? "" : `: ${summary}`;
}

function asText(value: Json | undefined): string {
  return value === null || value === undefined ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);
}
