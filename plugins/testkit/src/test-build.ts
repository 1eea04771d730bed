import { constants } from "node:fs";
import * as fs from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { TextDecoder } from "node:util";
import {
  type BuildInfo,
  type BuildStep,
  type Clock,
  type Json,
  type LastGood,
  type LogChannel,
  type Properties,
  type Property,
  type Rendered,
  render,
  type StepCommand,
  type StepCommandResult,
  type StepContext,
  type StepLog,
  type StepNode,
  type StepResult,
  type StepWorker,
  type TriggeredBuildset,
  type TriggerOutcome,
  type TriggerWish,
} from "belfry";
import { systemClock } from "./system-clock.ts";
import { runTestCommand } from "./test-command.ts";

export interface TestBuildOptions {
  /** Files of the build's folder when it starts, by path. */
  files?: Record<string, string | Uint8Array>;
  properties?: Record<string, Json>;
  secrets?: Record<string, string>;
  build?: Partial<BuildInfo>;
  clock?: Clock;
  /** How what is triggered ends, by scheduler; a promise keeps the step waiting. A scheduler that is not here is unknown. */
  schedulers?: Record<string, Partial<TriggerOutcome> | ((wish: TriggerWish) => Promise<Partial<TriggerOutcome>>)>;
  /** What `ctx.lastGood` says. Default: there was no good build. */
  lastGood?: LastGood;
  /** How `ctx.worker.run` ends when the build is stopped; a step has to bear both. Default "resolves". */
  stoppedCommand?: "resolves" | "rejects";
}

/**
 * One build without a master, for testing steps: real commands and real files in a temporary folder
 * on this machine, logs and properties in memory. Close it, or declare it with `await using`.
 */
export interface TestBuild extends AsyncDisposable {
  /** The build's folder. */
  readonly folder: string;
  readonly info: BuildInfo;
  readonly properties: Properties;
  /** What the step wrote, by name of the log, with secrets masked. Headers are in it. */
  readonly logs: ReadonlyMap<string, string>;
  /** What the step said about its progress. */
  readonly progress: readonly string[];
  /** Steps that the step has added to its build. */
  readonly added: readonly StepNode[];
  /** Addresses by name. */
  readonly links: ReadonlyMap<string, string>;
  readonly statistics: Readonly<Record<string, number>>;
  /** What the step kept with its build, by name. */
  readonly data: ReadonlyMap<string, Json | Uint8Array>;
  /** Calls of the worker, as `"run"`, `"stat"` and so on, in the order in which they began. */
  readonly calls: readonly string[];
  /** What was triggered, in order. */
  readonly triggered: readonly TriggerWish[];
  /** Numbers of the triggered buildsets that the step cancelled, counted from 1. */
  readonly cancelled: readonly number[];
  /** Worker calls and log writes that have begun and not ended. */
  readonly pending: number;
  /** Uses of a context after its `run` had settled. */
  readonly lateUses: readonly string[];
  /** Runs a step in this build. Rejects with what the step throws. */
  run(step: BuildStep, options?: TestRunOptions): Promise<StepResult>;
  /**
   * Runs a step again as if the master had been restarted after the last call of the run before: its calls are
   * answered with what they gave then. Rejects with what the step throws, and where it calls something else than before, or less.
   */
  resume(step: BuildStep): Promise<StepResult>;
  close(): Promise<void>;
}

export interface TestRunOptions {
  signal?: AbortSignal;
  /** Is told of each worker call before it begins. */
  onCall?(name: string): void;
}

export async function testBuild(options: TestBuildOptions = {}): Promise<TestBuild> {
  const folder = await fs.realpath(await fs.mkdtemp(join(tmpdir(), "belfry-build-")));
  const build = new LocalTestBuild(folder, options);
  try {
    for (const [path, data] of Object.entries(options.files ?? {})) await writeFile(join(folder, path), data);
  } catch (error) {
    await build.close();
    throw error;
  }
  return build;
}

interface Recorded {
  call: string;
  outcome: Promise<unknown>;
  /** The lines of a command that somebody was told of. */
  told: Parameters<OnLine>[];
}

type OnLine = NonNullable<Parameters<StepWorker["run"]>[0]["onLine"]>;

class LocalTestBuild implements TestBuild {
  readonly folder: string;
  readonly info: BuildInfo;
  readonly properties: TestProperties;
  readonly progress: string[] = [];
  readonly calls: string[] = [];
  readonly lateUses: string[] = [];
  readonly triggered: TriggerWish[] = [];
  readonly cancelled: number[] = [];
  readonly added: StepNode[] = [];
  readonly links = new Map<string, string>();
  readonly statistics: Record<string, number> = {};
  readonly data = new Map<string, Json | Uint8Array>();
  pending = 0;
  readonly #options: TestBuildOptions;
  readonly #written = new Map<string, string>();
  readonly #asked = new Set<string>();
  /** What was called in the last run. */
  #record: Recorded[] = [];

  constructor(folder: string, options: TestBuildOptions) {
    this.folder = folder;
    this.#options = options;
    this.info = { ...plainBuild, ...options.build };
    this.properties = new TestProperties(options.properties ?? {});
  }

  get logs(): ReadonlyMap<string, string> {
    return new Map([...this.#written].map(([name, text]) => [name, this.#mask(text)]));
  }

  run(step: BuildStep, options: TestRunOptions = {}): Promise<StepResult> {
    this.#record = [];
    return this.#run(step, options, undefined);
  }

  async resume(step: BuildStep): Promise<StepResult> {
    const left = [...this.#record];
    const result = await this.#run(step, {}, left);
    if (left.length > 0) throw new Error(`it did not call ${left.map(({ call }) => call).join(", ")} again`);
    return result;
  }

  async #run(
    step: BuildStep,
    { signal = new AbortController().signal, onCall }: TestRunOptions,
    replayed: Recorded[] | undefined,
  ): Promise<StepResult> {
    let over = false;
    const use = (what: string) => {
      if (over) this.lateUses.push(what);
    };
    const busy = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
      use(what);
      this.pending += 1;
      try {
        return await work();
      } finally {
        this.pending -= 1;
      }
    };
    const call = <T>(
      name: string,
      args: unknown[],
      work: (onLine: OnLine) => Promise<T>,
      onLine?: OnLine,
    ): Promise<T> =>
      busy(`worker.${name}`, async () => {
        this.calls.push(name);
        onCall?.(name);
        if (name !== "run") signal.throwIfAborted();
        const what = `${name} ${JSON.stringify(args)}`;
        if (replayed) {
          const at = replayed.findIndex((one) => one.call === what);
          const [known] = at < 0 ? [] : replayed.splice(at, 1);
          if (!known) throw new Error(`it called ${what}, which it had not called before`);
          for (const line of known.told) onLine?.(...line);
          return (await known.outcome) as T;
        }
        const told: Parameters<OnLine>[] = [];
        const outcome = work((...line) => {
          told.push(line);
          onLine?.(...line);
        });
        this.#record.push({ call: what, outcome, told });
        return outcome;
      });
    const log = (name: string): StepLog => {
      use(`log(${name})`);
      if (!this.#written.has(name)) this.#written.set(name, "");
      const decoders = new Map<LogChannel, TextDecoder>();
      return {
        name,
        write: (data, channel = "stdout") =>
          busy(`log(${name}).write`, async () => {
            await new Promise((resume) => setImmediate(resume));
            const decoder = decoders.get(channel) ?? new TextDecoder();
            decoders.set(channel, decoder);
            const text = typeof data === "string" ? data : decoder.decode(data, { stream: true });
            this.#written.set(name, (this.#written.get(name) ?? "") + text);
          }),
      };
    };
    const secret = async (name: string) => {
      const value = this.#options.secrets?.[name];
      if (value === undefined) throw new Error(`the test build has no secret "${name}"`);
      this.#asked.add(value);
      return value;
    };
    const path = (given: string) => resolve(this.folder, given);
    const worker: StepWorker = {
      name: this.info.worker,
      folder: this.folder,
      run: ({ onLine, ...command }) =>
        call(
          "run",
          [command],
          (tell) => this.#command({ ...command, ...(onLine && { onLine: tell }) }, signal, log),
          onLine,
        ),
      stat: (given) => call("stat", [given], () => statFile(path(given))),
      exists: (given) =>
        call("exists", [given], () =>
          fs.lstat(path(given)).then(
            () => true,
            () => false,
          ),
        ),
      readFile: (given, how) => call("readFile", [given, how], () => readFile(path(given), how?.maxBytes)),
      readText: (given, how) =>
        call("readText", [given, how], async () => (await readFile(path(given), how?.maxBytes)).toString("utf8")),
      writeFile: (given, data, how) =>
        call("writeFile", [given, String(data), how], () => writeFile(path(given), data, how?.executable)),
      mkdir: (given) => call("mkdir", [given], async () => void (await fs.mkdir(path(given), { recursive: true }))),
      remove: (given) => call("remove", [given], () => fs.rm(path(given), { recursive: true, force: true })),
      copy: (from, to) => call("copy", [from, to], () => fs.cp(path(from), path(to), { recursive: true, force: true })),
      list: (given) => call("list", [given], () => listFolder(path(given))),
    };
    const ctx: StepContext = {
      build: this.info,
      properties: this.properties,
      worker,
      clock: this.#options.clock ?? systemClock,
      signal,
      log,
      render: <T>(value: T): Promise<Rendered<T>> => {
        use("render");
        return render(value, { build: this.info, properties: this.properties, secret });
      },
      secret: (name) => {
        use(`secret(${name})`);
        return secret(name);
      },
      trigger: async (wish) => {
        use("trigger");
        signal.throwIfAborted();
        return this.#trigger(wish, signal, busy);
      },
      progress: (summary) => {
        use("progress");
        this.progress.push(summary);
      },
      addSteps: (steps) => {
        use("addSteps");
        for (const node of steps) if (!isNode(node)) throw new Error("addSteps was given something that is no step");
        this.added.push(...steps);
      },
      link: (name, url) => {
        use("link");
        if (!/^(https?|mailto):/.test(url)) throw new Error("an address begins with http:, https: or mailto:");
        this.links.set(name, url);
      },
      statistic: (name, value) => {
        use("statistic");
        if (!Number.isFinite(value)) throw new Error(`the figure "${name}" is no finite number`);
        this.statistics[name] = value;
      },
      buildData: (name, value) => {
        use("buildData");
        this.data.set(name, value);
      },
      lastGood: async () => {
        use("lastGood");
        return this.#options.lastGood;
      },
    };
    this.properties.writer = step.name;
    try {
      return await step.run(ctx);
    } finally {
      over = true;
    }
  }

  #trigger(
    wish: TriggerWish,
    signal: AbortSignal,
    busy: <T>(what: string, work: () => Promise<T>) => Promise<T>,
  ): TriggeredBuildset {
    const given = this.#options.schedulers?.[wish.scheduler];
    if (given === undefined) throw new Error(`the test build has no scheduler "${wish.scheduler}"`);
    const id = this.triggered.push(wish);
    const outcome = (async () => {
      const said = typeof given === "function" ? await given(wish) : given;
      return { result: "success" as const, retries: 0, builds: [], ...said };
    })();
    outcome.catch(() => undefined);
    return {
      id,
      requests: [{ id, builder: wish.scheduler }],
      builds: () => busy("trigger.builds", async () => (await outcome).builds),
      ended: () => busy("trigger.ended", () => Promise.race([outcome, aborted(signal)])),
      cancel: () => busy("trigger.cancel", async () => void this.cancelled.push(id)),
    };
  }

  async #command(
    command: StepCommand,
    signal: AbortSignal,
    log: (name: string) => StepLog,
  ): Promise<StepCommandResult> {
    const out = command.log === null ? undefined : log(command.log ?? "stdio");
    const shown = typeof command.command === "string" ? command.command : command.command.join(" ");
    await out?.write(`$ ${shown}\n`, "header");
    const kept = { stdout: new Capture(command.capture ?? 0), stderr: new Capture(command.capture ?? 0) };
    const lines = { stdout: new Lines(), stderr: new Lines() };
    const tell = (channel: "stdout" | "stderr", ended: string[]) => {
      for (const line of ended) command.onLine?.(line, channel);
    };
    const result = await runTestCommand(this.folder, command, signal, async (channel, data) => {
      kept[channel].add(data);
      tell(channel, lines[channel].add(data));
      await out?.write(data, channel);
    });
    for (const channel of ["stdout", "stderr"] as const) tell(channel, lines[channel].end());
    await out?.write(`${result.killed ?? result.signal ?? `exit code ${result.code}`}\n`, "header");
    if (result.killed === "cancelled" && this.#options.stoppedCommand === "rejects") throw signal.reason;
    return { ...result, stdout: kept.stdout.text, stderr: kept.stderr.text };
  }

  #mask(text: string): string {
    let masked = text;
    for (const value of this.#asked) if (value !== "") masked = masked.replaceAll(value, "********");
    return masked;
  }

  async close(): Promise<void> {
    await fs.rm(this.folder, { recursive: true, force: true, maxRetries: 3 });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

class TestProperties implements Properties {
  writer = "test";
  readonly #values = new Map<string, Property>();

  constructor(values: Record<string, Json>) {
    for (const [name, value] of Object.entries(values)) this.#values.set(name, { value, source: "test" });
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  get(name: string): Json | undefined {
    return this.#values.get(name)?.value;
  }

  source(name: string): string | undefined {
    return this.#values.get(name)?.source;
  }

  set(name: string, value: Json, source = this.writer): void {
    this.#values.set(name, { value: JSON.parse(JSON.stringify(value)), source });
  }

  all(): Record<string, Property> {
    return Object.fromEntries(this.#values);
  }
}

/** Keeps the first bytes of a stream. */
class Capture {
  readonly #limit: number;
  readonly #pieces: Uint8Array[] = [];
  #size = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(data: Uint8Array): void {
    const piece = data.subarray(0, this.#limit - this.#size);
    if (piece.length === 0) return;
    this.#pieces.push(piece);
    this.#size += piece.length;
  }

  get text(): string {
    return Buffer.concat(this.#pieces).toString("utf8");
  }
}

/** Cuts a stream into lines. */
class Lines {
  readonly #decoder = new TextDecoder();
  #rest = "";

  add(data: Uint8Array): string[] {
    const lines = (this.#rest + this.#decoder.decode(data, { stream: true })).split("\n");
    this.#rest = lines.pop() ?? "";
    return lines;
  }

  end(): string[] {
    const rest = this.#rest + this.#decoder.decode();
    return rest === "" ? [] : [rest];
  }
}

function isNode(value: unknown): value is StepNode {
  if (typeof value !== "object" || value === null) return false;
  if ("kind" in value) return typeof value.kind === "string";
  const members = "parallel" in value ? value.parallel : "sequence" in value ? value.sequence : undefined;
  return Array.isArray(members) && members.length > 0 && members.every(isNode);
}

const plainBuild: BuildInfo = {
  id: 1,
  number: 1,
  builder: "test",
  worker: "test",
  requestId: 1,
  buildsetId: 1,
  reason: "a test",
  sourceStamps: [],
  owners: [],
  result: "success",
};

async function writeFile(path: string, data: string | Uint8Array, executable = false): Promise<void> {
  await fs.mkdir(dirname(path), { recursive: true });
  await fs.writeFile(path, data);
  await fs.chmod(path, executable ? 0o755 : 0o644);
}

async function readFile(path: string, maxBytes = 16 * 1024 * 1024): Promise<Buffer> {
  const { size } = await fs.stat(path);
  if (size > maxBytes) throw Object.assign(new Error(`EFBIG: file too large, read '${path}'`), { code: "EFBIG" });
  return fs.readFile(path);
}

async function statFile(path: string): ReturnType<StepWorker["stat"]> {
  const found = await fs.lstat(path);
  return {
    type: typeOf(found),
    size: found.size,
    modified: found.mtimeMs,
    executable: (found.mode & constants.S_IXUSR) !== 0,
  };
}

async function listFolder(path: string): ReturnType<StepWorker["list"]> {
  const entries = await fs.readdir(path, { withFileTypes: true });
  return entries.map((entry) => ({ name: entry.name, type: typeOf(entry) }));
}

function typeOf(entry: { isFile(): boolean; isDirectory(): boolean; isSymbolicLink(): boolean }) {
  if (entry.isFile()) return "file";
  if (entry.isDirectory()) return "folder";
  return entry.isSymbolicLink() ? "link" : "other";
}
