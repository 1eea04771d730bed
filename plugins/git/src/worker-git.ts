import { posix } from "node:path";
import { BelfryError, type StepContext } from "belfry";
import { faults } from "./errors.ts";
import { faultOf } from "./git-fault.ts";
import { STEADY_CONFIG, steadyEnvironment, uploadPackOption } from "./git-settings.ts";
import type { Login } from "./login.ts";
import { LOGIN_FOLDER, LOGIN_SCRIPT, loginInput, SCRIPT } from "./login-script.ts";
import type { RepositoryAddress } from "./repository-address.ts";

export interface WorkerGitOptions {
  login: Login;
  /** The work tree, relative to the build's folder. */
  path: string;
  trusted: boolean;
  /** What git may use to reach other repositories, with colons. */
  protocols: string;
  env: Record<string, string | null>;
  /** Milliseconds that one command may take. */
  timeout: number;
}

export interface GitAnswer {
  ok: boolean;
  code: number | null;
  stdout: string;
  stderr: string;
}

interface Extra {
  log?: null;
  input?: string | undefined;
  /** Wins over the step's own. */
  env?: Record<string, string | null>;
  protocols?: string;
  /** With which git runs. Default: git itself. */
  program?: string[];
}

const CAPTURE = 64 * 1024;
/** What a git that was killed in the middle leaves behind. */
const LOCKS = [
  "index.lock",
  "HEAD.lock",
  "config.lock",
  "shallow.lock",
  "packed-refs.lock",
  "refs/belfry/fetched.lock",
];

/** The gits of one step, on the worker and in one work tree. */
export class WorkerGit {
  readonly address: RepositoryAddress;
  readonly #ctx: StepContext;
  readonly #options: WorkerGitOptions;
  #ssh: string | undefined;
  #hasScript = false;

  constructor(ctx: StepContext, options: WorkerGitOptions) {
    this.address = options.login.address;
    this.#ctx = ctx;
    this.#options = options;
  }

  /** Asks the work tree's own repository, unseen by whoever reads the build's log. */
  ask(args: string[], { free = false } = {}): Promise<GitAnswer> {
    return this.#run([...STEADY_CONFIG, ...(free ? [] : this.#here()), ...args], { log: null });
  }

  /** Changes the work tree's own repository. Throws what git's failure means. */
  async change(args: string[], extra: { input?: string; env?: Record<string, string | null> } = {}): Promise<void> {
    const answer = await this.try(args, extra);
    if (!answer.ok) throw this.fault(answer);
  }

  /** As `change`, for commands whose failure means something. */
  try(args: string[], extra: { input?: string; env?: Record<string, string | null> } = {}): Promise<GitAnswer> {
    return this.#unlocked([...STEADY_CONFIG, ...this.#here(), ...args], extra);
  }

  /** Makes a repository, where none is. */
  async init(args: string[]): Promise<void> {
    this.#hasScript = false;
    const answer = await this.#run([...STEADY_CONFIG, "init", "--quiet", "--template=", ...args], {});
    if (!answer.ok) throw this.fault(answer);
  }

  /** Fetches from the remote, or from what `from` names in the repository's configuration. */
  fetch(flags: string[], refspecs: string[], from = this.address.url): Promise<GitAnswer> {
    const { trusted } = this.#options;
    const always = [
      "--force",
      "--no-recurse-submodules",
      "--update-shallow",
      ...uploadPackOption(this.address, trusted),
    ];
    return this.network(["fetch", ...always, ...flags, "--end-of-options", from, ...refspecs]);
  }

  /** Runs what talks to other repositories: with the login, which is there only meanwhile. */
  async network(
    args: string[],
    extra: { env?: Record<string, string | null>; free?: boolean } = {},
  ): Promise<GitAnswer> {
    const { login, path, protocols } = this.#options;
    const folder = posix.join(this.#ctx.worker.folder, path, ".git", LOGIN_FOLDER);
    const files = login.files(folder);
    const all = [...STEADY_CONFIG, ...login.options(folder), ...(extra.free ? [] : this.#here()), ...args];
    const env = { ...(await this.#sshEnvironment(folder)), ...extra.env };
    if (files.length === 0) return this.#unlocked(all, { env, protocols });
    if (!this.#hasScript) await this.#ctx.worker.writeFile(posix.join(path, ".git", LOGIN_SCRIPT), SCRIPT);
    this.#hasScript = true;
    return this.#unlocked(all, {
      env,
      protocols,
      input: loginInput(files),
      program: ["sh", `.git/${LOGIN_SCRIPT}`, folder],
    });
  }

  fault(answer: GitAnswer): BelfryError {
    return faultOf(answer.stderr, this.address, "the worker");
  }

  /** Explicit, so that git never takes a repository in a folder above. */
  #here(): string[] {
    return ["--git-dir=.git", "--work-tree=."];
  }

  async #unlocked(args: string[], extra: Extra): Promise<GitAnswer> {
    const answer = await this.#run(args, extra);
    if (answer.ok || !/\.lock': File exists/.test(answer.stderr)) return answer;
    // Whatever held the lock was ended before this build began.
    for (const lock of LOCKS) await this.#ctx.worker.remove(posix.join(this.#options.path, ".git", lock));
    return this.#run(args, extra);
  }

  async #run(args: string[], extra: Extra): Promise<GitAnswer> {
    const { path, env, timeout } = this.#options;
    let result: Awaited<ReturnType<StepContext["worker"]["run"]>>;
    try {
      result = await this.#ctx.worker.run({
        command: [...(extra.program ?? ["git"]), ...args],
        cwd: path,
        env: { ...steadyEnvironment(extra.protocols), ...env, ...extra.env },
        maxTime: timeout,
        capture: CAPTURE,
        ...(extra.input === undefined ? {} : { input: extra.input }),
        ...(extra.log === null ? { log: null } : {}),
      });
    } catch (error) {
      if (BelfryError.is(error) && error.code === "BELFRY_COMMAND_NOT_FOUND")
        throw faults.missing("the worker", { cause: error });
      throw error;
    }
    this.#ctx.signal.throwIfAborted();
    if (result.killed !== null) throw faults.timeout(this.address.url, Math.round(timeout / 1_000));
    if (extra.program && result.code === 127) throw faults.missing("the worker");
    return { ok: result.code === 0, code: result.code, stdout: result.stdout, stderr: result.stderr };
  }

  async #sshEnvironment(folder: string): Promise<Record<string, string>> {
    const { login, env } = this.#options;
    const own = env["GIT_SSH_COMMAND"];
    if (!login.hasSsh && own !== undefined) return {};
    // Not from the clone's own settings: an earlier build could have written those.
    this.#ssh ??=
      own ?? (await this.#run(["--git-dir=/dev/null", "config", "--get", "core.sshCommand"], { log: null })).stdout;
    return { GIT_SSH_COMMAND: login.ssh(this.#ssh, folder) };
  }
}
