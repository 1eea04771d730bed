import { BelfryError } from "belfry";
import { faults } from "./errors.ts";
import { faultOf, isRefMissing } from "./git-fault.ts";
import { type GitCall, GitFailure, runGit, streamFields } from "./git-process.ts";
import { credentialSettings, STEADY_CONFIG, sshCommand, steadyEnvironment, uploadPackOption } from "./git-settings.ts";
import type { RepositoryAddress } from "./repository-address.ts";

/** The head of a branch is gone since the list was read. */
export class RefVanished extends Error {}

/** No repository: git then uses none instead of looking for one in the folders above. */
const NOWHERE = "/dev/null";
const LINE_FEED = 10;
/** A cache that a power cut damaged is made anew, so nothing waits for the disk. */
const CARELESS = ["-c", "core.fsync=none"];

/**
 * The gits of one poll, on the master. What talks to the remote sees the user's configuration
 * (proxies, credential helpers); what works on the cache sees none.
 */
export class MasterGit {
  readonly address: RepositoryAddress;
  readonly #folder: string;
  readonly #trusted: boolean;
  readonly #signal: AbortSignal;
  #ssh: string | undefined;

  constructor(address: RepositoryAddress, options: { folder: string; trusted: boolean; signal: AbortSignal }) {
    this.address = address;
    this.#folder = options.folder;
    this.#trusted = options.trusted;
    this.#signal = options.signal;
  }

  /** Calls `found` for each branch of the remote, as fast as the answer arrives. */
  async branches(found: (branch: string, sha: string) => void): Promise<void> {
    const args = ["ls-remote", "--heads", ...this.#options(), "--end-of-options", this.address.url];
    await this.#told(async () => {
      for await (const lines of streamFields(await this.#remoteCall(NOWHERE, args), LINE_FEED, 10_000)) {
        for (const line of lines) {
          const match = /^([0-9a-f]{40}|[0-9a-f]{64})\trefs\/heads\/(.+)$/.exec(line.toString("utf8"));
          if (match?.[1] && match[2]) found(match[2], match[1]);
        }
      }
    });
  }

  /** Fetches `refspecs`, one a line, into the repository at `gitFolder`. Throws `RefVanished` if one is not there. */
  async fetch(gitFolder: string, refspecs: string): Promise<void> {
    const flags = [
      "--quiet",
      "--no-tags",
      "--no-prune",
      "--no-recurse-submodules",
      "--no-show-forced-updates",
      "--update-shallow",
    ];
    const args = ["fetch", ...flags, ...this.#options(), "--stdin", "--end-of-options", this.address.url];
    await this.#told(async () => runGit(await this.#remoteCall(gitFolder, args, refspecs)));
  }

  /** Runs git on a repository of this machine and returns what it printed. */
  local(gitFolder: string, args: string[], input?: string): Promise<string> {
    return this.#told(() => runGit(this.localCall(gitFolder, args, input)));
  }

  localCall(gitFolder: string, args: string[], input?: string): GitCall {
    const alone = {
      HOME: this.#folder,
      XDG_CONFIG_HOME: this.#folder,
      GIT_CONFIG_GLOBAL: NOWHERE,
      GIT_CONFIG_NOSYSTEM: "1",
      GIT_CONFIG_COUNT: null,
      GIT_CONFIG_PARAMETERS: null,
    };
    return {
      args: [...STEADY_CONFIG, ...CARELESS, ...args],
      cwd: this.#folder,
      env: { ...steadyEnvironment(), ...alone, GIT_DIR: gitFolder },
      signal: this.#signal,
      ...(input === undefined ? {} : { input }),
    };
  }

  /** The error that a user reads, if `error` comes from git. */
  explain(error: unknown): unknown {
    if (error instanceof GitFailure) {
      return isRefMissing(error.stderr) ? new RefVanished() : faultOf(error.stderr, this.address, "the master");
    }
    const code = (error as NodeJS.ErrnoException | undefined)?.code;
    if (code === "ENOENT" && (error as NodeJS.ErrnoException).syscall?.startsWith("spawn"))
      return faults.missing("the master");
    if (code === "ENOSPC") return faults.diskFull("the master");
    return error;
  }

  #options(): string[] {
    return uploadPackOption(this.address, this.#trusted);
  }

  async #remoteCall(gitFolder: string, args: string[], input?: string): Promise<GitCall> {
    const taken = Number(process.env.GIT_CONFIG_COUNT ?? 0);
    const login = credentialSettings(this.address, Number.isSafeInteger(taken) && taken > 0 ? taken : 0);
    return {
      args: [...STEADY_CONFIG, ...CARELESS, ...login.config, ...args],
      cwd: this.#folder,
      env: { ...steadyEnvironment(), ...login.env, ...(await this.#sshEnvironment()), GIT_DIR: gitFolder },
      signal: this.#signal,
      ...(input === undefined ? {} : { input }),
    };
  }

  async #sshEnvironment(): Promise<Record<string, string>> {
    if (this.address.kind !== "ssh") return {};
    if (process.env.GIT_SSH !== undefined && process.env.GIT_SSH_COMMAND === undefined) return {};
    this.#ssh ??= process.env.GIT_SSH_COMMAND ?? (await this.#configured("core.sshCommand"));
    return { GIT_SSH_COMMAND: sshCommand(this.#ssh) };
  }

  async #configured(key: string): Promise<string> {
    try {
      const env = { ...steadyEnvironment(), GIT_DIR: NOWHERE };
      return await runGit({ args: ["config", "--get", key], cwd: this.#folder, env, signal: this.#signal });
    } catch (error) {
      if (error instanceof GitFailure) return "";
      throw error;
    }
  }

  async #told<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw this.explain(error);
    }
  }
}

/** True if the fault may lie in the cache, so that a new one may help. */
export function mayBeBrokenCache(error: unknown): boolean {
  return BelfryError.is(error) && ["BELFRY_GIT_FAILED", "BELFRY_GIT_NOT_A_REPOSITORY"].includes(error.code);
}
