import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { BelfryError } from "belfry";
import { faults } from "./errors.ts";
import { faultOf, isRefMissing } from "./git-fault.ts";
import { type GitCall, GitFailure, runGit, streamFields } from "./git-process.ts";
import { STEADY_CONFIG, steadyEnvironment, uploadPackOption } from "./git-settings.ts";
import { type Login, quoteShell } from "./login.ts";
import type { RepositoryAddress } from "./repository-address.ts";

/** The head of a branch is gone since the list was read. */
export class RefVanished extends Error {}

export interface RefKinds {
  branches: boolean;
  tags: boolean;
}

/** No repository: git then uses none instead of looking for one in the folders above. */
const NOWHERE = "/dev/null";
const LINE_FEED = 10;
/** A cache that a power cut damaged is made anew, so nothing waits for the disk. */
const CARELESS = ["-c", "core.fsync=none"];

export interface MasterGitOptions {
  /** The source's own folder. */
  folder: string;
  login: Login;
  trusted: boolean;
  /** With colons. */
  protocols: string;
  signal: AbortSignal;
}

/**
 * The gits of one poll, on the master. What talks to the remote sees the user's configuration
 * (proxies, credential helpers); what works on the cache sees none. Close it: until then the login is
 * in files that only this user can read.
 */
export class MasterGit {
  readonly address: RepositoryAddress;
  readonly #options: MasterGitOptions;
  readonly #loginFolder: string;
  #ssh: string | undefined;

  private constructor(options: MasterGitOptions) {
    this.address = options.login.address;
    this.#options = options;
    this.#loginFolder = join(options.folder, "login");
  }

  static async open(options: MasterGitOptions): Promise<MasterGit> {
    const git = new MasterGit(options);
    // What a poll that was killed left behind.
    await git.close();
    const files = options.login.files(git.#loginFolder);
    if (files.length === 0) return git;
    try {
      await mkdir(git.#loginFolder, { mode: 0o700 });
      for (const { name, text } of files)
        await writeFile(join(git.#loginFolder, name), text, { mode: 0o600, flag: "wx" });
      return git;
    } catch (error) {
      await git.close();
      throw git.explain(error);
    }
  }

  async close(): Promise<void> {
    await rm(this.#loginFolder, { recursive: true, force: true, maxRetries: 3 });
  }

  /**
   * Calls `found` for each branch or tag of the remote, as fast as the answer arrives, with its whole
   * name, what it points to, and for an annotated tag what that tag points to.
   */
  async refs(kinds: RefKinds, found: (ref: string, object: string, peeled: string) => void): Promise<void> {
    const flags = [...(kinds.branches ? ["--heads"] : []), ...(kinds.tags ? ["--tags"] : [])];
    const args = ["ls-remote", ...flags, ...this.#uploadPack(), "--end-of-options", this.address.url];
    await this.#told(async () => {
      let last: [ref: string, object: string] | undefined;
      for await (const lines of streamFields(await this.#remoteCall(NOWHERE, args), LINE_FEED, 10_000)) {
        for (const line of lines) {
          const match = /^([0-9a-f]{40}|[0-9a-f]{64})\t(refs\/(?:heads|tags)\/.+)$/.exec(line.toString("utf8"));
          if (!match?.[1] || !match[2]) continue;
          const [, object, ref] = match;
          const isPeeled = last !== undefined && ref === `${last[0]}^{}`;
          if (last) found(last[0], last[1], isPeeled ? object : last[1]);
          last = isPeeled ? undefined : [ref, object];
        }
      }
      if (last) found(last[0], last[1], last[1]);
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
    const args = ["fetch", ...flags, ...this.#uploadPack(), "--stdin", "--end-of-options", this.address.url];
    await this.#told(async () => runGit(await this.#remoteCall(gitFolder, args, refspecs)));
  }

  /** Runs git on a repository of this machine and returns what it printed. */
  local(gitFolder: string, args: string[], input?: string): Promise<string> {
    return this.#told(() => runGit(this.localCall(gitFolder, args, input)));
  }

  localCall(gitFolder: string, args: string[], input?: string): GitCall {
    const alone = {
      HOME: this.#options.folder,
      XDG_CONFIG_HOME: this.#options.folder,
      GIT_CONFIG_GLOBAL: NOWHERE,
      GIT_CONFIG_NOSYSTEM: "1",
      GIT_CONFIG_COUNT: null,
      GIT_CONFIG_PARAMETERS: null,
    };
    return {
      args: [...STEADY_CONFIG, ...CARELESS, ...args],
      cwd: this.#options.folder,
      env: { ...steadyEnvironment(), ...alone, GIT_DIR: gitFolder },
      signal: this.#options.signal,
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

  #uploadPack(): string[] {
    return uploadPackOption(this.address, this.#options.trusted);
  }

  async #remoteCall(gitFolder: string, args: string[], input?: string): Promise<GitCall> {
    const { login, folder, protocols, signal } = this.#options;
    return {
      args: [...STEADY_CONFIG, ...CARELESS, ...login.options(this.#loginFolder), ...args],
      cwd: folder,
      env: { ...steadyEnvironment(protocols), ...(await this.#sshEnvironment()), GIT_DIR: gitFolder },
      signal,
      ...(input === undefined ? {} : { input }),
    };
  }

  async #sshEnvironment(): Promise<Record<string, string>> {
    const { login } = this.#options;
    if (this.address.kind !== "ssh") return {};
    const { GIT_SSH, GIT_SSH_COMMAND } = process.env;
    if (GIT_SSH !== undefined && GIT_SSH_COMMAND === undefined) {
      if (!login.hasSsh) return {};
      this.#ssh = quoteShell(GIT_SSH);
    }
    this.#ssh ??= GIT_SSH_COMMAND ?? (await this.#configured("core.sshCommand"));
    return { GIT_SSH_COMMAND: login.ssh(this.#ssh, this.#loginFolder) };
  }

  async #configured(key: string): Promise<string> {
    try {
      const env = { ...steadyEnvironment(), GIT_DIR: NOWHERE };
      return await runGit({
        args: ["config", "--get", key],
        cwd: this.#options.folder,
        env,
        signal: this.#options.signal,
      });
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
