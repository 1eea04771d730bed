import { createHash } from "node:crypto";
import { BelfryError } from "../errors/belfry-error.ts";
import { faults } from "../errors/catalogue.ts";
import type { StepCommand, StepCommandResult, StepWorker } from "../interfaces/build-step.ts";
import type { LogLine } from "../interfaces/log-store.ts";
import type { Json, Result } from "../interfaces/values.ts";
import type { CommandResult, FileStat, OutputSink, WorkerSession } from "../interfaces/worker.ts";
import type { SecretSet } from "../logs/masker.ts";
import type { PastCall } from "../store/resuming.ts";
import type { BuildRecorder, CallRecord } from "./build-recorder.ts";
import { OutputLines } from "./output-lines.ts";
import { describe } from "./source-loop.ts";
import type { StepJournal } from "./step-journal.ts";
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
  /** True if what calls return is kept, for the step to be resumed. */
  keeps: boolean;
  /** What was called before the master was restarted. */
  journal?: StepJournal | undefined;
  /** The lines of a log from a number on, as they are stored. */
  linesOf(log: RunningLog, first: number, end?: number): AsyncIterable<LogLine>;
  /** True once the master lets go of the build: what is called then waits for ever. */
  frozen(): boolean;
  /** Ends the build as `retry`: the step cannot be resumed. */
  giveUp(why: string): void;
}

/** What is kept of a command whose lines were told to somebody: where they stand. */
interface KeptLines {
  log: string;
  first: number;
  end?: number;
}

const MOST_KEPT = 64 * 1024;

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
    if (this.#over) return Promise.reject(faults.stepGone());
    const target = log === null ? undefined : this.#deps.log(log);
    const lines = onLine && new OutputLines(onLine);
    const whole = { ...spec, env: { ...env, ...spec.env } };
    let place: KeptLines | null = null;
    return this.#journal<StepCommandResult>({
      method: "run",
      args: spec as unknown as Json,
      log: lines ? undefined : target,
      begins: async () => {
        const shown = Array.isArray(spec.command) ? spec.command.map(quote).join(" ") : spec.command;
        await target?.append("header", Buffer.from(`$ ${shown}\n`), this.#deps.now());
        if (!this.#deps.keeps || !target || !lines || target.writers > 0) return null;
        await target.settle();
        place = { log: target.name, first: target.totals.lines };
        return place;
      },
      act: async (callId, past) => {
        const kept = { stdout: new Capture(capture), stderr: new Capture(capture) };
        const sink: OutputSink = (channel, data, time) => {
          if (capture > 0) kept[channel].add(data);
          lines?.add(channel, data);
          return target?.append(channel, data, time);
        };
        const options = { signal, callId };
        let result: CommandResult | undefined;
        if (target) {
          target.shared ||= target.writers > 0;
          target.writers += 1;
        }
        try {
          if (past) {
            place = past.kept === null ? null : (JSON.parse(past.kept) as KeptLines);
            // What another one has printed to the same log cannot be told apart.
            const mixed = lines !== undefined && (!place || this.#deps.journal?.overlaps(past) === true);
            if (capture > 0 || mixed) return this.#lost("what it had printed was not kept");
            if (lines && target && place) await this.#tellAgain(lines, target, place);
            result = await session.resume?.(whole, sink, options);
            if (!result) return this.#lost("the command that ran was not kept by its worker");
          } else result = await session.run(whole, sink, options);
        } finally {
          if (target) target.writers -= 1;
        }
        const end = `${ending(result)} after ${(result.elapsed / 1_000).toFixed(1)} s\n`;
        await target?.append("header", Buffer.from(end), this.#deps.now());
        signal.throwIfAborted();
        lines?.end();
        if (lines?.error !== undefined) throw lines.error;
        const value = { ...result, stdout: kept.stdout.text(), stderr: kept.stderr.text() };
        const outcome = {
          code: result.code,
          signal: result.signal,
          killed: result.killed,
          elapsed: Math.round(result.elapsed),
        };
        if (!lines) return { value, outcome };
        await target?.settle();
        const told = target && place && !target.shared ? { ...place, end: target.totals.lines } : null;
        return { value, outcome, keeps: told && { value, lines: told } };
      },
      again: async (kept) => {
        if (!lines || !target) return kept as unknown as StepCommandResult;
        const { value, lines: told } = kept as unknown as { value: StepCommandResult; lines: KeptLines };
        await this.#tellAgain(lines, target, told);
        lines.end();
        if (lines.error !== undefined) throw lines.error;
        return value;
      },
    });
  }

  /** Tells of the lines that a command had printed before. */
  async #tellAgain(lines: OutputLines, log: RunningLog, { first, end }: KeptLines): Promise<void> {
    await log.settle();
    if (log.totals.truncated) return this.#lost("its log is full, and has not all that it printed");
    for await (const { channel, data } of this.#deps.linesOf(log, first, end)) {
      if (channel === "header") continue;
      lines.add(channel, data);
      lines.add(channel, LINE_FEED);
    }
  }

  #lost(why: string): Promise<never> {
    this.#deps.giveUp(`it could not go on after a restart of the master: ${why}`);
    this.#deps.signal.throwIfAborted();
    return Promise.reject(new Error(why));
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
    return this.#journal<T>({
      method,
      args,
      act: async () => {
        const value = await act(this.#deps.session);
        return { value, outcome: outcome(value) };
      },
      again: async (kept) => revived(kept) as T,
    });
  }

  async #journal<T>(call: JournaledCall<T>): Promise<T> {
    this.check();
    const { recorder, step, buildId, signal, secrets, now, journal, keeps } = this.#deps;
    signal.throwIfAborted();
    const { method } = call;
    const argsHash = createHash("sha256")
      .update(secrets.text(JSON.stringify(call.args)))
      .digest("hex");
    const past = journal?.take(method, argsHash);
    if (past && past.finishedAt !== null) return this.#again(call, past);
    if (!past && journal?.replaying && !(await journal.settled(signal)))
      return this.#lost(`the step did not call ${journal.next} again`);
    await this.#thaw();
    if (!past) this.#deps.calls.count += 1;
    const number = past?.call ?? this.#deps.calls.count;
    const facts = { step, call: number, method, argsHash, startedAt: past?.startedAt ?? now() };
    const begun: CallRecord = { ...facts, finishedAt: null, outcome: null, kept: past?.kept ?? null };
    if (past) recorder.known({ call: begun });
    else {
      recorder.call(begun);
      const kept = await call.begins?.();
      if (kept) recorder.call({ ...begun, kept: JSON.stringify(kept) });
    }
    try {
      const { value, outcome, keeps: told } = await call.act(`${buildId}/${step}/${number}`, past);
      const kept = keeps && told !== null ? this.#kept(told ?? value) : null;
      const ended = { ...begun, finishedAt: now(), outcome, kept };
      // After a kill it would not be carried out again, so by then its log has to have all of it.
      if (keeps && call.log) call.log.afterwards(() => recorder.call(ended));
      else recorder.call(ended);
      await this.#thaw();
      return value;
    } catch (error) {
      await this.#thaw();
      const { message, code } = describe(error);
      const known = BelfryError.is(error)
        ? { what: error.what, why: error.why, fix: error.fix, result: error.result ?? null }
        : {};
      const outcome = secrets.json({ error: message, code, ...known }) as Json;
      recorder.call({ ...begun, finishedAt: now(), outcome, kept: null });
      throw error;
    }
  }

  /** What a call that had ended gave. */
  async #again<T>(call: JournaledCall<T>, { outcome, kept }: PastCall): Promise<T> {
    await this.#thaw();
    const failed = outcome as FailedCall | null;
    if (failed?.error !== undefined) throw errorOf(failed);
    if (kept === null) return this.#lost(`what ${call.method} gave was not kept`);
    return call.again(JSON.parse(kept) as Json);
  }

  /** A value as the journal keeps it; null if it is too large, or has a secret in it. */
  #kept(value: unknown): string | null {
    const text = JSON.stringify(value instanceof Uint8Array ? { bytes: Buffer.from(value).toString("base64") } : value);
    if (text === undefined) return "null";
    if (text.length > MOST_KEPT) return null;
    const { secrets } = this.#deps;
    const whole = value instanceof Uint8Array ? value : Buffer.from(text);
    const masker = secrets.masker();
    const masked = Buffer.concat([masker.mask(whole), masker.flush()]);
    return masked.equals(whole) ? text : null;
  }

  /** Waits for ever once the master lets go of the build. */
  async #thaw(): Promise<void> {
    if (this.#deps.frozen()) await new Promise(() => {});
  }
}

interface JournaledCall<T> {
  method: string;
  args: Json;
  /** Has what it prints, and is not settled when it has ended. */
  log?: RunningLog | undefined;
  /** Done before it is carried out; gives what is kept of it while it runs. */
  begins?(): Promise<KeptLines | null>;
  /** Carries it out, or takes up what is under way. What it gives as `keeps` is kept in the place of the value. */
  act(callId: string, past: PastCall | undefined): Promise<{ value: T; outcome: Json; keeps?: unknown }>;
  /** Makes its value of what was kept. */
  again(kept: Json): Promise<T>;
}

/** How the journal tells of a call that threw. */
interface FailedCall {
  error?: string;
  code: string | null;
  what?: string;
  why?: string;
  fix?: string;
  result?: Result | null;
}

function errorOf({ error, code, what, why, fix, result }: FailedCall): Error {
  if (code === null || what === undefined || why === undefined || fix === undefined)
    return Object.assign(new Error(error), code === null ? {} : { code });
  return new BelfryError(code, { what, why, fix }, result ? { result } : {});
}

/** Bytes are kept as base64. */
function revived(kept: Json): unknown {
  const bytes = (kept as { bytes?: unknown } | null)?.bytes;
  return typeof bytes === "string" ? new Uint8Array(Buffer.from(bytes, "base64")) : kept;
}

const LINE_FEED = Buffer.from("\n");
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
