import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { until, within } from "@belfry/testkit";

const root = resolve(import.meta.dirname, "../../..");
export const programArgs = ["--conditions=source", join(root, "core/src/cli/run.ts")];

const LIMIT = 60_000;

export interface Ended {
  code: number | null;
  out: string;
  err: string;
}

/** A process of the `belfry` program. */
export class Running {
  readonly process: ChildProcess;
  readonly ended: Promise<Ended>;
  out = "";
  err = "";

  constructor(process: ChildProcess) {
    this.process = process;
    process.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.out += text;
    });
    process.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.err += text;
    });
    this.ended = new Promise((done) => process.once("close", (code) => done({ code, out: this.out, err: this.err })));
  }

  /** Waits until it printed this, in whatever colours. */
  async printed(text: string | RegExp): Promise<void> {
    let over = false;
    void this.ended.then(() => {
      over = true;
    });
    const has = () => {
      const plain = this.out.replace(/\u001b\[[0-9;]*m/g, "");
      return typeof text === "string" ? plain.includes(text) : text.test(plain);
    };
    await until(() => has() || over, "it", LIMIT).catch(() => undefined);
    if (!has()) throw new Error(`It ${over ? "ended" : "went on"} without printing ${text}: ${this.out}${this.err}`);
  }

  end(): Promise<Ended> {
    return within(LIMIT, "the program's end", this.ended);
  }

  async signal(name: NodeJS.Signals): Promise<Ended> {
    this.process.kill(name);
    return this.end();
  }
}

/** A folder of its own with the program in it; whatever was started there ends with it. */
export class World implements AsyncDisposable {
  readonly folder: string;
  readonly #running: Running[] = [];

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** Makes the folder; `config` becomes its belfry.config.ts. */
  static async make(config?: string): Promise<World> {
    const world = new World(await mkdtemp(join(tmpdir(), "belfry-cli-")));
    await symlink(join(root, "node_modules"), join(world.folder, "node_modules"));
    await writeFile(join(world.folder, "package.json"), '{ "type": "module" }\n');
    if (config !== undefined) await world.config(config);
    return world;
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  async config(text: string): Promise<void> {
    await writeFile(this.path("belfry.config.ts"), text);
  }

  spawn(args: string[], env: NodeJS.ProcessEnv = {}, cwd = this.folder): Running {
    const { NO_COLOR: _, ...outer } = process.env;
    const child = spawn(process.execPath, [...programArgs, ...args], {
      cwd,
      env: { ...outer, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    return this.adopt(new Running(child));
  }

  /** Takes over a process that was started here in another way. */
  adopt(running: Running): Running {
    this.#running.push(running);
    return running;
  }

  /** Runs a command to its end. */
  run(...args: string[]): Promise<Ended> {
    return this.spawn(args).end();
  }

  /** Runs a command with `--json`, and reads what it printed. */
  async json(...args: string[]): Promise<{ code: number | null; value: any }> {
    const { code, out, err } = await this.run(...args, "--json");
    if (out.trim().split("\n").length !== 1) throw new Error(`Not one line of JSON: ${out}${err}`);
    return { code, value: JSON.parse(out) };
  }

  /** Starts a master and waits until it runs. */
  async start(...args: string[]): Promise<Running> {
    const running = this.spawn(["start", ...args]);
    await running.printed("Ctrl-C stops it.");
    return running;
  }

  git(...args: string[]): string {
    const who = ["-c", "user.name=Tester", "-c", "user.email=tester@example.org", "-c", "commit.gpgSign=false"];
    return execFileSync("git", [...who, ...args], {
      cwd: this.folder,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
    });
  }

  /** Commits a file; makes the repository first if there is none. */
  async commit(file: string, text: string, message = `change ${file}`): Promise<string> {
    try {
      this.git("rev-parse", "--git-dir");
    } catch {
      this.git("init", "--quiet", "--initial-branch=main");
    }
    await writeFile(this.path(file), text);
    this.git("add", "--", file);
    this.git("commit", "--quiet", "-m", message);
    return this.git("rev-parse", "HEAD").trim();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { process } of this.#running)
      if (process.exitCode === null && process.signalCode === null) process.kill("SIGKILL");
    await Promise.all(this.#running.map((running) => running.ended));
    await rm(this.folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
}

/** A configuration with builders that behave in every way that matters here. */
export function configText(
  parts: {
    services?: string;
    sources?: string;
    schedulers?: string;
    builders?: string;
    head?: string;
    more?: string;
  } = {},
): string {
  return `import { defineConfig } from "belfry";
import { gitCheckout, gitPoller } from "@belfry/git";
import { http } from "@belfry/http";
import { jsonrpc } from "@belfry/jsonrpc";
import { anyBranch, force } from "@belfry/schedulers";
import { sqlite } from "@belfry/sqlite";
import { shell } from "@belfry/steps";
import { localWorker } from "@belfry/worker";
${parts.head ?? ""}
void [gitCheckout, gitPoller, http, jsonrpc, anyBranch, shell];
export default defineConfig({
  database: sqlite(),
  services: [${parts.services ?? ""}],
  sources: [${parts.sources ?? ""}],
  schedulers: [${parts.schedulers ?? 'force({ name: "force", builders: ["good", "bad", "slow"] })'}],
  workers: [localWorker({ name: "here", slots: 2 })],
  builders: [${
    parts.builders ??
    `
    { name: "good", workers: ["here"], steps: [shell({ name: "hello", command: "echo Hello; echo and good-bye" })] },
    { name: "bad", workers: ["here"], steps: [shell({ name: "fine", command: "true" }), shell({ name: "broken", command: "for i in $(seq 30); do echo line $i; done; exit 3" })] },
    { name: "slow", workers: ["here"], steps: [shell({ name: "sleep", command: "echo begun; while test ! -e ../../../../go; do sleep 0.05; done; echo over" })] },
`
  }],
  ${parts.more ?? ""}
});
`;
}
