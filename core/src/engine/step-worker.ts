import { createHash } from "node:crypto";
import { faults } from "../errors/catalogue.ts";
import type { StepCommand, StepCommandResult, StepWorker } from "../interfaces/build-step.ts";
import type { Json } from "../interfaces/values.ts";
import type { FileStat, OutputSink, WorkerSession } from "../interfaces/worker.ts";
import type { SecretSet } from "../logs/masker.ts";
import type { BuildRecorder } from "./build-recorder.ts";
import { OutputLines } from "./output-lines.ts";
import { describe } from "./source-loop.ts";
import type { RunningLog } from "./step-log.ts";

export interface StepWorkerDeps {
  session: WorkerSession;
  workerName: string;
  buildId: number;
  step: number;
  recorder: BuildRecorder;
  secrets: SecretSet;
  signal: AbortSignal;
  now(): number;
  log(name: string): RunningLog;
  /** The environment of worker and builder, rendered. */
  env: Record<string, string | null>;
  /** Counts the step's calls, over all of its attempts. */
  calls: { count: number };
}

/** A step's hands on the worker, with a journal entry for every call. */
export class JournaledWorker implements StepWorker {
  readonly name: string;
  readonly #deps: StepWorkerDeps;
  #over = false;

  constructor(deps: StepWorkerDeps) {
    this.name = deps.workerName;
    this.#deps = deps;
  }

  get folder(): string {
    return this.#deps.session.folder;
  }

  /** After this, every call is refused. */
  end(): void {
    this.#over = true;
  }

  /** Throws `BELFRY_STEP_OVER` once the step is over. */
  check(): void {
    if (this.#over) throw faults.stepGone();
  }

  run(command: StepCommand): Promise<StepCommandResult> {
    const { log = "stdio", capture = 0, onLine, ...spec } = command;
    const { session, signal, env } = this.#deps;
    return this.#journal("run", spec as unknown as Json, async (callId) => {
      const target = log === null ? undefined : this.#deps.log(log);
      const lines = onLine && new OutputLines(onLine);
      const kept = { stdout: new Capture(capture), stderr: new Capture(capture) };
      const shown = Array.isArray(spec.command) ? spec.command.map(quote).join(" ") : spec.command;
      await target?.write(`$ ${shown}\n`, "header");
      const sink: OutputSink = (channel, data, time) => {
        if (capture > 0) kept[channel].add(data);
        lines?.add(channel, data);
        return target?.append(channel, data, time);
      };
      const result = await session.run({ ...spec, env: { ...env, ...spec.env } }, sink, { signal, callId });
      await target?.write(`${ending(result)} after ${(result.elapsed / 1_000).toFixed(1)} s\n`, "header");
      signal.throwIfAborted();
      lines?.end();
      if (lines?.error !== undefined) throw lines.error;
      return {
        value: { ...result, stdout: kept.stdout.text(), stderr: kept.stderr.text() },
        outcome: {
          code: result.code,
          signal: result.signal,
          killed: result.killed,
          elapsed: Math.round(result.elapsed),
        },
      };
    });
  }

  stat(path: string): Promise<FileStat> {
    return this.#plain(
      "stat",
      [path],
      (session) => session.stat(path),
      (stat) => ({ ...stat }),
    );
  }

  async exists(path: string): Promise<boolean> {
    return this.#plain(
      "exists",
      [path],
      (session) =>
        session.stat(path).then(
          () => true,
          (error: NodeJS.ErrnoException) => {
            if (error.code === "ENOENT" || error.code === "ENOTDIR") return false;
            throw error;
          },
        ),
      (found) => found,
    );
  }

  readFile(path: string, options?: { maxBytes?: number }): Promise<Uint8Array> {
    return this.#plain(
      "readFile",
      [path],
      (session) => session.readFile(path, options),
      (data) => ({ bytes: data.length }),
    );
  }

  async readText(path: string, options?: { maxBytes?: number }): Promise<string> {
    return new TextDecoder().decode(await this.readFile(path, options));
  }

  writeFile(path: string, data: string | Uint8Array, options?: { executable?: boolean }): Promise<void> {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
    const digest = createHash("sha256").update(bytes).digest("hex");
    return this.#plain("writeFile", [path, digest], (session) => session.writeFile(path, bytes, options), nothing);
  }

  mkdir(path: string): Promise<void> {
    return this.#plain("mkdir", [path], (session) => session.mkdir(path), nothing);
  }

  remove(path: string): Promise<void> {
    return this.#plain("remove", [path], (session) => session.remove(path), nothing);
  }

  copy(from: string, to: string): Promise<void> {
    return this.#plain("copy", [from, to], (session) => session.copy(from, to), nothing);
  }

  list(path: string) {
    return this.#plain(
      "list",
      [path],
      (session) => session.list(path),
      (entries) => ({ entries: entries.length }),
    );
  }

  #plain<T>(
    method: string,
    args: Json,
    act: (session: WorkerSession) => Promise<T>,
    outcome: (value: T) => Json,
  ): Promise<T> {
    return this.#journal(method, args, async () => {
      const value = await act(this.#deps.session);
      return { value, outcome: outcome(value) };
    });
  }

  async #journal<T>(
    method: string,
    args: Json,
    act: (callId: string) => Promise<{ value: T; outcome: Json }>,
  ): Promise<T> {
    this.check();
    const { recorder, step, buildId, signal, secrets, now } = this.#deps;
    signal.throwIfAborted();
    this.#deps.calls.count += 1;
    const call = this.#deps.calls.count;
    const argsHash = createHash("sha256")
      .update(secrets.text(JSON.stringify(args)))
      .digest("hex");
    const record = { step, call, method, argsHash, startedAt: now(), finishedAt: null, outcome: null };
    recorder.call(record);
    try {
      const { value, outcome } = await act(`${buildId}/${step}/${call}`);
      recorder.call({ ...record, finishedAt: now(), outcome });
      return value;
    } catch (error) {
      const { message, code } = describe(error);
      recorder.call({ ...record, finishedAt: now(), outcome: { error: secrets.text(message), code } });
      throw error;
    }
  }
}

const nothing = () => null;

class Capture {
  readonly #limit: number;
  readonly #parts: Uint8Array[] = [];
  #size = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(data: Uint8Array): void {
    const room = this.#limit - this.#size;
    if (room <= 0) return;
    const part = Uint8Array.prototype.slice.call(data, 0, room);
    this.#parts.push(part);
    this.#size += part.length;
  }

  text(): string {
    return Buffer.concat(this.#parts).toString("utf8");
  }
}

function quote(argument: string): string {
  return /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`;
}

function ending(result: { code: number | null; signal: string | null; killed: string | null }): string {
  if (result.killed === "max-time") return "ended by Belfry: its time was over,";
  if (result.killed === "timeout") return "ended by Belfry: it printed nothing for too long,";
  if (result.killed === "cancelled") return "ended by Belfry: the build was stopped,";
  return result.code === null ? `killed by ${result.signal}` : `exit code ${result.code}`;
}
