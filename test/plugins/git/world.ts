import { execFile, spawn } from "node:child_process";
import { chmod, cp, lstat, mkdir, mkdtemp, readdir, readFile, realpath, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import {
  BelfryError,
  type Clock,
  type CreateContext,
  type Json,
  type NewChange,
  type Properties,
  render,
  type SourceContext,
  type StepContext,
  type StepWorker,
} from "belfry";
import * as assert from "uvu/assert";

/** The user's own git settings have no say in these tests. */
for (const name of Object.keys(process.env)) if (name.startsWith("GIT_")) delete process.env[name];
Object.assign(process.env, {
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_AUTHOR_NAME: "Ada",
  GIT_AUTHOR_EMAIL: "ada@example.org",
  GIT_COMMITTER_NAME: "Ada",
  GIT_COMMITTER_EMAIL: "ada@example.org",
});

export const clock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimer(delay, run) {
    const timer = setTimeout(run, delay);
    return { cancel: () => clearTimeout(timer) };
  },
};

/** A temp folder that is `HOME` as well, and goes away with all in it. */
export async function makeWorld(): Promise<World> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), "belfry-git-")));
  process.env.HOME = folder;
  process.env.XDG_CONFIG_HOME = join(folder, "xdg");
  return new World(folder);
}

export class World implements AsyncDisposable {
  readonly folder: string;
  constructor(folder: string) {
    this.folder = folder;
  }
  path(...names: string[]): string {
    return join(this.folder, ...names);
  }
  async repository(name = "repo", ...args: string[]): Promise<Repository> {
    await git(this.folder, "init", "-q", "-b", "main", ...args, name);
    return new Repository(this.path(name));
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  }
}

export class Repository {
  readonly folder: string;
  constructor(folder: string) {
    this.folder = folder;
  }
  git(...args: string[]): Promise<string> {
    return git(this.folder, ...args);
  }
  async commit(message: string, files: Record<string, string> = {}): Promise<string> {
    for (const [name, text] of Object.entries(files)) {
      const file = join(this.folder, name);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, text);
    }
    await this.git("add", "-A");
    await this.git("commit", "-q", "--allow-empty", "-m", message);
    return this.head();
  }
  head(name = "HEAD"): Promise<string> {
    return this.git("rev-parse", "--verify", name);
  }
}

export function git(cwd: string, ...args: string[]): Promise<string> {
  return gitInput(cwd, "", ...args);
}

export function gitInput(cwd: string, input: string | Buffer, ...args: string[]): Promise<string> {
  return new Promise((done, fail) => {
    const child = execFile("git", args, { cwd, maxBuffer: 1e8 }, (error, stdout, stderr) => {
      if (error) fail(new Error(`git ${args.join(" ")}: ${stderr}`));
      else done(stdout.trim());
    });
    child.stdin?.on("error", () => {});
    child.stdin?.end(input);
  });
}

export async function rejects(work: Promise<unknown>, code: string): Promise<BelfryError> {
  let thrown: unknown;
  try {
    await work;
  } catch (error) {
    thrown = error;
  }
  assert.ok(thrown !== undefined, `expected ${code}, but nothing was thrown`);
  assert.ok(BelfryError.is(thrown), `expected ${code}, not ${thrown}`);
  assert.is((thrown as BelfryError).code, code);
  return thrown as BelfryError;
}

/** Options as core checks them, then what the plugin makes of them. */
export function create<T>(
  part: { definition: { options: { parse(value: unknown): unknown }; create(options: never, ctx: CreateContext): T } },
  options: unknown,
  folder: string,
): T {
  const ctx = { name: "test", clock, folder, stateFolder: join(folder, ".belfry") } as CreateContext;
  return part.definition.create(part.definition.options.parse(options) as never, ctx);
}

/** What core does around a poll: stores changes once by key, and the state with them. */
export class Sink {
  readonly changes: NewChange[] = [];
  readonly notes: string[] = [];
  readonly doing: string[] = [];
  readonly secrets = new Map<string, string>();
  readonly reports: { changes: NewChange[]; state: Json | undefined }[] = [];
  readonly #keys = new Set<string>();
  state: Json | undefined;
  /** Rejects the report of this number, counted from 1, as a database that is gone would. */
  failAt = 0;
  signal: AbortSignal = AbortSignal.timeout(120_000);
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  context(): SourceContext {
    return {
      state: this.state,
      clock,
      signal: this.signal,
      folder: this.folder,
      note: (message) => this.notes.push(message),
      progress: (summary) => this.doing.push(summary),
      secret: async (name) => this.secrets.get(name) ?? `secret of ${name}`,
      report: async (changes, state) => {
        if (this.reports.length + 1 === this.failAt) throw new Error("the database is gone");
        const before = this.changes.length;
        for (const change of changes) {
          if (this.#keys.has(change.key)) continue;
          this.#keys.add(change.key);
          this.changes.push(change);
        }
        // As a database does.
        if (state !== undefined) this.state = JSON.parse(JSON.stringify(state));
        this.reports.push({ changes, state: this.state });
        return { added: this.changes.length - before };
      },
    };
  }

  /** What was stored since the last call. */
  take(): NewChange[] {
    this.notes.length = 0;
    return this.changes.splice(0);
  }
}

/** A build's context whose worker runs real commands and touches real files in `folder`. */
export async function makeStep(
  folder: string,
  build: Partial<StepContext["build"]> = {},
  options: { signal?: AbortSignal } = {},
) {
  await mkdir(folder, { recursive: true });
  const log: string[] = [];
  const calls: { command: string[]; env: Record<string, string | null> }[] = [];
  const values = new Map<string, { value: Json; source: string }>();
  const properties: Properties = {
    has: (name) => values.has(name),
    get: (name) => values.get(name)?.value,
    source: (name) => values.get(name)?.source,
    set: (name, value, source = "test") => void values.set(name, { value, source }),
    all: () => Object.fromEntries(values),
  };
  const signal = options.signal ?? AbortSignal.timeout(120_000);
  const info = { sourceStamps: [], ...build } as unknown as StepContext["build"];
  const secret = async (name: string) => `secret of ${name}`;
  const ctx: StepContext = {
    build: info,
    properties,
    clock,
    signal,
    worker: makeWorker(folder, signal, log, calls),
    log: () => ({ name: "stdio", write: async (data) => void log.push(String(data)) }),
    render: (value) => render(value, { properties, build: info, secret }),
    secret,
    trigger: async () => Promise.reject(new Error("nothing is triggered here")),
    progress: () => {},
    addSteps: () => {},
    link: () => {},
    statistic: () => {},
    buildData: () => {},
    lastGood: async () => undefined,
  };
  return { ctx, log, calls, properties, text: () => log.join("") };
}

function makeWorker(
  folder: string,
  signal: AbortSignal,
  log: string[],
  calls: { command: string[]; env: Record<string, string | null> }[],
): StepWorker {
  const at = (path: string) => resolve(folder, path);
  const typeOf = (entry: { isFile(): boolean; isDirectory(): boolean; isSymbolicLink(): boolean }) =>
    entry.isFile() ? "file" : entry.isDirectory() ? "folder" : entry.isSymbolicLink() ? "link" : "other";
  return {
    name: "local",
    folder,
    async run(spec) {
      assert.ok(Array.isArray(spec.command), "git is only ever run with an array");
      const command = spec.command as string[];
      calls.push({ command, env: spec.env ?? {} });
      if (spec.log !== null) log.push(`$ ${command.join(" ")}\n`);
      const env: NodeJS.ProcessEnv = { ...process.env };
      for (const [name, value] of Object.entries(spec.env ?? {})) {
        if (value === null) delete env[name];
        else env[name] = value;
      }
      const started = performance.now();
      const child = spawn(command[0] ?? "", command.slice(1), { cwd: at(spec.cwd ?? "."), env, detached: true });
      let killed: "cancelled" | "max-time" | null = null;
      const kill = (why: "cancelled" | "max-time") => {
        killed ??= why;
        if (child.pid) process.kill(-child.pid, "SIGKILL");
      };
      const cancel = () => kill("cancelled");
      signal.addEventListener("abort", cancel);
      const timer = setTimeout(kill, spec.maxTime ?? 60_000, "max-time");
      const kept = { stdout: "", stderr: "" };
      for (const name of ["stdout", "stderr"] as const) {
        child[name].setEncoding("utf8").on("data", (text: string) => {
          kept[name] = (kept[name] + text).slice(0, spec.capture ?? 0);
          if (spec.log !== null) log.push(text);
        });
      }
      child.stdin.on("error", () => {});
      child.stdin.end(spec.input ?? "");
      try {
        const [code, ended] = await new Promise<[number | null, string | null]>((done, fail) => {
          child.once("error", () =>
            fail(new BelfryError("BELFRY_COMMAND_NOT_FOUND", { what: "No such command.", why: "", fix: "" })),
          );
          child.once("close", (...how) => done(how));
        });
        return { code, signal: ended, killed, elapsed: performance.now() - started, ...kept };
      } finally {
        clearTimeout(timer);
        signal.removeEventListener("abort", cancel);
      }
    },
    async stat(path) {
      const found = await lstat(at(path));
      return { type: typeOf(found), size: found.size, modified: found.mtimeMs, executable: (found.mode & 0o100) !== 0 };
    },
    exists: (path) =>
      stat(at(path)).then(
        () => true,
        () => false,
      ),
    readFile: (path) => readFile(at(path)),
    readText: (path) => readFile(at(path), "utf8"),
    async writeFile(path, data, { executable } = {}) {
      await mkdir(dirname(at(path)), { recursive: true });
      await writeFile(at(path), data);
      if (executable) await chmod(at(path), 0o755);
    },
    mkdir: async (path) => void (await mkdir(at(path), { recursive: true })),
    remove: (path) => rm(at(path), { recursive: true, force: true }),
    copy: (from, to) => cp(at(from), at(to), { recursive: true }),
    list: async (path) =>
      (await readdir(at(path), { withFileTypes: true })).map((entry) => ({ name: entry.name, type: typeOf(entry) })),
  };
}

export function stamp(repository: string, more: Record<string, unknown> = {}) {
  return {
    repository,
    branch: "main",
    revision: null,
    codebase: "",
    project: "",
    patch: null,
    ...more,
  } as StepContext["build"]["sourceStamps"][number];
}
