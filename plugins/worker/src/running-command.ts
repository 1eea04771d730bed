import { closeSync, constants, openSync, unlink } from "node:fs";
import { writeFile } from "node:fs/promises";
import type { BelfryError, Clock, CommandResult, CommandSpec, OutputSink, Timer } from "belfry";
import type { CommandLine } from "./command-line.ts";
import { faults } from "./errors.ts";
import { OutputReader } from "./output-reader.ts";
import type { Pipe, PipePool } from "./pipe-pool.ts";
import type { Exit, FromSpawner, KeptCommand } from "./protocol.ts";

type ResumedMessage = Extract<FromSpawner, { say: "resumed" }>;
type FailedMessage = Extract<FromSpawner, { say: "failed" }>;
type Reason = NonNullable<CommandResult["killed"]>;

/** The longest that a timer of Node can wait. */
const LONGEST = 2 ** 31 - 1;

let nextInput = 0;

/** What a command needs of its executor. */
export interface CommandHost {
  readonly clock: Clock;
  readonly pipes: PipePool;
  /** Asks the spawner to end it. */
  end(grace: number): void;
}

/** A command from its start to its last byte: its pipes, its time limits, and how it ended. */
export class RunningCommand {
  readonly grace: number;
  readonly result: Promise<CommandResult>;
  readonly #host: CommandHost;
  readonly #spec: CommandSpec;
  readonly #line: CommandLine;
  readonly #sink: OutputSink;
  #began: number;
  readonly #pipes: Pipe[] = [];
  readonly #readers: OutputReader[] = [];
  #input: string | null = null;
  #lastOutput: number;
  #limit: Timer | undefined;
  #silence: Timer | undefined;
  #killed: Reason | null = null;
  #exit: Exit | undefined;
  /** Known if it ended before it was taken up again. */
  #elapsed: number | undefined;
  #begun = false;
  #detached = false;
  /** By channel, what was read of its output and not taken: here by an earlier process, or when it was detached. */
  #rest = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) };
  #fault: { error: unknown } | undefined;
  #over = false;
  #settle: { resolve(result: CommandResult): void; reject(error: unknown): void } | undefined;

  constructor(host: CommandHost, spec: CommandSpec, line: CommandLine, sink: OutputSink) {
    this.#host = host;
    this.#spec = spec;
    this.#line = line;
    this.#sink = sink;
    this.grace = spec.killGrace ?? 5_000;
    this.#began = host.clock.monotonic();
    this.#lastOutput = this.#began;
    this.result = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    // Not awaited by anybody if it never got its pipes.
    this.result.catch(() => {});
  }

  /** Takes the pipes it will need. Resolves with their paths for the spawner. */
  async open(): Promise<{ out: string; err: string; in: string | null }> {
    const [out, err] = await Promise.all([this.#takePipe(), this.#takePipe()]);
    if (this.#spec.input?.length) await this.#writeInput(`${out.path}-${nextInput++}`, this.#spec.input);
    if (this.#over) throw new Error("over");
    this.#read(out, err);
    return { out: out.path, err: err.path, in: this.#input };
  }

  /** Instead of `open`, for a command that was kept: opens its pipes again. Throws if they are gone. */
  reopen({ out, err, killed, exit, elapsed, silent, rest }: KeptCommand): void {
    this.#begun = true;
    this.#killed = killed;
    this.#keptUntilNow({ exit, elapsed, silent });
    this.#rest = { stdout: Buffer.from(rest.stdout, "base64"), stderr: Buffer.from(rest.stderr, "base64") };
    for (const path of [out, err]) {
      const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
      this.#pipes.push({ path, file });
    }
    this.#read(this.#pipes[0] as Pipe, this.#pipes[1] as Pipe);
  }

  /** Starts the clocks; the spawner has been told to start it. */
  begin(elapsed = 0, silent = 0): void {
    this.#begun = true;
    const { maxTime, timeout } = this.#spec;
    if (maxTime !== undefined) this.#limit = this.#after(Math.max(0, maxTime - elapsed), () => this.end("max-time"));
    if (timeout !== undefined) this.#watchSilence(timeout, Math.max(1, timeout - silent));
  }

  /** Instead of `begin`, for a command that was kept: nobody else holds its pipes now. */
  resumed({ exit, elapsed, silent }: ResumedMessage): void {
    if (this.#over) return;
    this.#keptUntilNow({ exit, elapsed, silent });
    if (this.#detached) return;
    const { stdout, stderr } = this.#rest;
    this.#rest = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) };
    for (const [i, first] of [stdout, stderr].entries()) {
      if (exit) this.#readers[i]?.finish(first);
      else this.#readers[i]?.resume(first);
    }
    if (!exit) this.begin(elapsed, silent);
  }

  /**
   * Gives nothing to its sink any more, and does not settle from now on. Resolves when no sink call is outstanding:
   * true if it can be kept. `kept` tells then what has to be known about it.
   */
  async detach(): Promise<boolean> {
    this.#detached = true;
    this.#limit?.cancel();
    this.#silence?.cancel();
    const late = await Promise.all(this.#readers.map((reader) => reader.hold()));
    for (const [i, channel] of (["stdout", "stderr"] as const).entries())
      this.#rest[channel] = Buffer.concat([this.#rest[channel], late[i] ?? Buffer.alloc(0)]);
    return this.#begun && !this.#over && !this.#fault;
  }

  kept(call: Pick<KeptCommand, "call" | "owner" | "mark">): KeptCommand {
    const now = this.#host.clock.monotonic();
    return {
      ...call,
      out: (this.#pipes[0] as Pipe).path,
      err: (this.#pipes[1] as Pipe).path,
      killed: this.#killed,
      exit: this.#exit ?? null,
      elapsed: this.#elapsed ?? now - this.#began,
      silent: now - this.#lastOutput,
      rest: { stdout: this.#rest.stdout.toString("base64"), stderr: this.#rest.stderr.toString("base64") },
    };
  }

  /** Closes its pipes: the spawner holds them, or ends it. */
  letGo(): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#input !== null && !this.#begun) unlink(this.#input, () => {});
    for (const [i, pipe] of this.#pipes.entries()) {
      const reader = this.#readers[i];
      if (!reader?.attached) closeSync(pipe.file);
      if (!reader?.ended) reader?.abandon();
    }
  }

  /** True once it is settled or let go of. */
  get over(): boolean {
    return this.#over;
  }

  get detached(): boolean {
    return this.#detached;
  }

  get exit(): Exit | undefined {
    return this.#exit;
  }

  /** True once somebody wants it to end. */
  get ending(): boolean {
    return this.#killed !== null;
  }

  /** Ends it; the first reason counts. */
  end(reason: Reason): void {
    if (this.#over || this.#detached || this.#killed !== null) return;
    this.#killed = reason;
    this.#host.end(this.grace);
  }

  /** It has its ends of the pipes open and did not end at once, so watch its output. */
  started(): void {
    if (this.#over || this.#detached || this.#exit) return;
    for (const reader of this.#readers) reader.attach();
  }

  exited({ code, signal, ended, left }: Exit): void {
    this.#exit = { code, signal, ended, left };
    for (const reader of this.#readers) reader.finish();
    this.#maybeOver();
  }

  failed({ code, fault }: FailedMessage): void {
    const program = this.#line.argv[0] as string;
    const { cwd } = this.#line;
    if (fault === "cwd-missing") this.abort(faults.cwdMissing(cwd));
    else if (fault === "cwd-no-folder") this.abort(faults.cwdNoFolder(cwd));
    else if (fault === "cwd-denied") this.abort(faults.cwdDenied(cwd));
    else if (fault === "pipes") this.abort(this.#pipesGone(code));
    else if (fault === "too-long") this.abort(faults.commandTooLong(program));
    else if (code === "ENOENT" || code === "ENOTDIR") this.abort(faults.commandNotFound(program));
    else if (code === "EACCES") this.abort(faults.commandDenied(program));
    else this.abort(faults.commandNotStarted(program, code));
  }

  /** It cannot go on: lets go of everything at once and rejects. */
  abort(error: BelfryError): void {
    if (this.#over) return;
    this.#fault ??= { error };
    this.#close();
    if (!this.#detached) this.#settle?.reject(this.#fault.error);
  }

  #keptUntilNow({ exit, elapsed, silent }: Pick<KeptCommand, "exit" | "elapsed" | "silent">): void {
    const now = this.#host.clock.monotonic();
    this.#began = now - elapsed;
    this.#lastOutput = now - silent;
    if (!exit) return;
    this.#exit = exit;
    this.#elapsed = elapsed;
  }

  #read(out: Pipe, err: Pipe): void {
    const done = () => this.#maybeOver();
    this.#readers.push(
      new OutputReader(out.file, (data) => this.#take("stdout", data), done),
      new OutputReader(err.file, (data) => this.#take("stderr", data), done),
    );
  }

  async #takePipe(): Promise<Pipe> {
    const pipe = await this.#host.pipes.take();
    if (this.#over) {
      this.#host.pipes.giveBack(pipe, { clean: true, open: true });
      throw new Error("over");
    }
    this.#pipes.push(pipe);
    return pipe;
  }

  /** Input comes from a file, which the spawner removes once it is open: unlike a pipe it can be opened again as `/dev/stdin`. */
  async #writeInput(path: string, input: Uint8Array | string): Promise<void> {
    this.#input = path;
    try {
      await writeFile(path, input, { mode: 0o600 });
    } catch (error) {
      throw this.#pipesGone((error as NodeJS.ErrnoException).code ?? "UNKNOWN");
    }
  }

  #pipesGone(code: string): BelfryError {
    this.#host.pipes.discard();
    for (const pipe of this.#pipes.splice(0)) this.#host.pipes.giveBack(pipe, { clean: false, open: true });
    return faults.pipesGone(this.#line.argv[0] as string, code);
  }

  #take(channel: "stdout" | "stderr", data: Uint8Array): Promise<void> | undefined {
    if (this.#fault) return undefined;
    this.#lastOutput = this.#host.clock.monotonic();
    try {
      const taking = this.#sink(channel, data, this.#host.clock.now());
      if (typeof taking?.then !== "function") return undefined;
      return Promise.resolve(taking)
        .catch((error: unknown) => {
          // Refused by somebody who is about to go: the next one gets it.
          if (this.#detached) this.#rest[channel] = Buffer.from(data);
          else this.#sinkFailed(error);
        })
        .then(() => {
          this.#lastOutput = this.#host.clock.monotonic();
        });
    } catch (error) {
      this.#sinkFailed(error);
      return undefined;
    }
  }

  #sinkFailed(error: unknown): void {
    this.#fault ??= { error };
    this.end("cancelled");
  }

  #after(delay: number, run: () => void): Timer {
    return this.#host.clock.setTimer(Math.min(delay, LONGEST), run);
  }

  /** A command whose output is not taken cannot be blamed for its silence. */
  #watchSilence(timeout: number, delay: number): void {
    this.#silence = this.#after(delay, () => {
      const held = this.#readers.some((reader) => reader.busy);
      const silent = held ? 0 : this.#host.clock.monotonic() - this.#lastOutput;
      if (silent >= timeout) this.end("timeout");
      else this.#watchSilence(timeout, Math.max(1, timeout - silent));
    });
  }

  #maybeOver(): void {
    if (this.#over || this.#detached || !this.#exit || this.#readers.some((reader) => !reader.ended)) return;
    const { code, signal, ended, left } = this.#exit;
    this.#close();
    if (this.#fault) this.#settle?.reject(this.#fault.error);
    else if (left > 0) this.#settle?.reject(faults.commandProcessesLeft(left));
    else {
      const elapsed = this.#elapsed ?? this.#host.clock.monotonic() - this.#began;
      this.#settle?.resolve({ code, signal, killed: ended ? this.#killed : null, elapsed });
    }
  }

  #close(): void {
    this.#over = true;
    this.#limit?.cancel();
    this.#silence?.cancel();
    if (this.#input !== null) unlink(this.#input, () => {});
    for (const [i, pipe] of this.#pipes.entries()) {
      const reader = this.#readers[i];
      if (!reader) this.#host.pipes.giveBack(pipe, { clean: true, open: true });
      else {
        if (!reader.ended) reader.abandon();
        this.#host.pipes.giveBack(pipe, { clean: reader.clean, open: !reader.attached });
      }
    }
  }
}
