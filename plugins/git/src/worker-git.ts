import { posix } from "node:path";
import { BelfryError, type StepContext } from "belfry";
import { faults } from "./errors.ts";
import { faultOf } from "./git-fault.ts";
import { credentialSettings, STEADY_CONFIG, sshCommand, steadyEnvironment, uploadPackOption } from "./git-settings.ts";
import type { RepositoryAddress } from "./repository-address.ts";

export interface WorkerGitOptions {
  address: RepositoryAddress;
  /** The work tree, relative to the build's folder. */
  path: string;
  trusted: boolean;
  env: Record<string, string | null>;
  /** Milliseconds that one command may take. */
  timeout: number;
}

export interface GitAnswer {
  ok: boolean;
  stdout: string;
  stderr: string;
}

interface Extra {
  log?: null;
  input?: string | undefined;
  env?: Record<string, string | null>;
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

/** The gits of one checkout, on the worker and in one work tree. */
export class WorkerGit {
  readonly address: RepositoryAddress;
  readonly #ctx: StepContext;
  readonly #options: WorkerGitOptions;
  #ssh: string | undefined;

  constructor(ctx: StepContext, options: WorkerGitOptions) {
    this.address = options.address;
    this.#ctx = ctx;
    this.#options = options;
  }

  /** Asks the work tree's own repository, unseen by whoever reads the build's log. */
  ask(args: string[]): Promise<GitAnswer> {
    return this.#run([...STEADY_CONFIG, ...this.#here(), ...args], { log: null });
  }

  /** Changes the work tree's own repository. Throws what git's failure means. */
  async change(args: string[], input?: string): Promise<void> {
    const answer = await this.#unlocked([...STEADY_CONFIG, ...this.#here(), ...args], { input });
    if (!answer.ok) throw this.fault(answer);
  }

  /** Makes a repository, where none is. */
  async init(args: string[]): Promise<void> {
    const answer = await this.#run([...STEADY_CONFIG, "init", "--quiet", "--template=", ...args], {});
    if (!answer.ok) throw this.fault(answer);
  }

  /** Fetches one ref or commit of the remote into `refs/belfry/fetched`, or as `refspecs` say. */
  async fetch(flags: string[], refspecs: string[]): Promise<GitAnswer> {
    const { address, trusted } = this.#options;
    const login = credentialSettings(address);
    const always = ["--force", "--no-recurse-submodules", "--update-shallow", ...uploadPackOption(address, trusted)];
    const args = [
      ...STEADY_CONFIG,
      ...login.config,
      ...this.#here(),
      "fetch",
      ...always,
      ...flags,
      "--end-of-options",
      address.url,
      ...refspecs,
    ];
    return this.#unlocked(args, { env: { ...login.env, ...(await this.#sshEnvironment()) } });
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
        command: ["git", ...args],
        cwd: path,
        env: { ...steadyEnvironment(), ...extra.env, ...env },
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
    return { ok: result.code === 0, stdout: result.stdout, stderr: result.stderr };
  }

  async #sshEnvironment(): Promise<Record<string, string>> {
    if (this.address.kind !== "ssh") return {};
    this.#ssh ??= (await this.ask(["config", "--get", "core.sshCommand"])).stdout;
    return { GIT_SSH_COMMAND: sshCommand(this.#ssh) };
  }
}
