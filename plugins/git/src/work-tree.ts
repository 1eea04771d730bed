import { posix } from "node:path";
import { BelfryError, type StepContext } from "belfry";
import { faults } from "./errors.ts";
import { isCommitRefused, isRefMissing } from "./git-fault.ts";
import { isHash, isHashStart, isRefName } from "./ref-name.ts";
import type { GitAnswer, WorkerGit } from "./worker-git.ts";

export interface Wanted {
  branch: string | null;
  /** A hash, the start of one, a tag, or a whole ref; `null` for the newest of the branch. */
  revision: string | null;
  depth: number | undefined;
  tags: boolean;
}

export type Clean = "none" | "untracked" | "ignored";

const FETCHED = "refs/belfry/fetched";

/** One work tree on a worker, and how it gets to a commit. */
export class WorkTree {
  readonly #ctx: StepContext;
  readonly #git: WorkerGit;
  readonly #path: string;
  readonly #wanted: Wanted;

  constructor(ctx: StepContext, git: WorkerGit, path: string, wanted: Wanted) {
    this.#ctx = ctx;
    this.#git = git;
    this.#path = path;
    this.#wanted = wanted;
  }

  /** What an earlier build left: nothing, a clone of this repository, or something else. */
  async inspect(): Promise<"absent" | "usable" | "useless"> {
    const { worker } = this.#ctx;
    const folder = posix.join(this.#path, ".git");
    if (!(await worker.exists(folder))) return "absent";
    // A file or link would lead to a repository somewhere else.
    if ((await worker.stat(folder)).type !== "folder") return "useless";
    const { ok, stdout } = await this.#git.ask([
      "config",
      "--local",
      "--null",
      "--get-regexp",
      "^(remote\\.origin\\.url|belfry\\.depth)$",
    ]);
    if (!ok) return "useless";
    const settings = new Map(
      stdout.split("\0").map((line): [string, string] => {
        const [name = "", ...value] = line.split("\n");
        return [name, value.join("\n")];
      }),
    );
    const isSame =
      settings.get("remote.origin.url") === this.#git.address.url &&
      settings.get("belfry.depth") === String(this.#wanted.depth ?? 0);
    return isSame ? "usable" : "useless";
  }

  /** Removes everything in it. */
  async wipe(): Promise<void> {
    const { worker } = this.#ctx;
    if (this.#path !== ".") return worker.remove(this.#path);
    for (const { name } of await worker.list(".")) await worker.remove(name);
  }

  async init(format?: string): Promise<void> {
    await this.#ctx.worker.mkdir(this.#path);
    // A link to nowhere looks as if nothing were there, and git would follow it.
    await this.#ctx.worker.remove(posix.join(this.#path, ".git"));
    await this.#git.init(format === undefined ? [] : [`--object-format=${format}`]);
    // For the programs of the build; this step itself fetches by address.
    await this.#git.change(["remote", "add", "origin", this.#git.address.url]);
    await this.#git.change(["config", "belfry.depth", String(this.#wanted.depth ?? 0)]);
  }

  /** Makes the wanted commit part of the repository, and returns its hash. */
  async bring(): Promise<string> {
    const { branch, revision } = this.#wanted;
    if (revision !== null) return this.#bringRevision(revision);
    if (branch === null) return this.#mustBring("HEAD", () => faults.branchUnknown(this.#git.address.url, "HEAD"));
    return this.#mustBring(this.#branchRef(branch), () => faults.branchUnknown(this.#git.address.url, branch));
  }

  /** Lets the files be those of the commit. */
  async place(sha: string, clean: Clean): Promise<void> {
    await this.#git.change(["checkout", "--force", "--detach", "--quiet", "--no-recurse-submodules", sha]);
    if (clean !== "none") await this.#git.change(["clean", "--quiet", clean === "ignored" ? "-ffdx" : "-ffd"]);
  }

  /** New files of the patch go into the index, so that the next checkout removes them. */
  async patch(level: number, body: string): Promise<void> {
    try {
      await this.#git.change(["apply", "--index", "--whitespace=nowarn", `-p${level}`], body);
    } catch (error) {
      if (BelfryError.is(error) && error.code === "BELFRY_GIT_FAILED")
        throw faults.patchFailed(error.why.replace(/^It says: /, ""));
      throw error;
    }
  }

  async #bringRevision(revision: string): Promise<string> {
    const unknown = () => faults.revisionUnknown(this.#git.address.url, revision);
    if (!isRefName(revision)) throw unknown();
    if (!isHash(revision)) return this.#bringName(revision, unknown);
    if (await this.#find(revision)) return revision;
    const answer = await this.#fetch(revision);
    if (answer.ok) return this.#mustFind(FETCHED, unknown);
    if (!isCommitRefused(answer.stderr)) throw this.#git.fault(answer);
    return this.#search(revision, unknown);
  }

  /** A tag, a branch, a whole ref, or the start of a hash. */
  async #bringName(name: string, unknown: () => BelfryError): Promise<string> {
    const refs = name.startsWith("refs/") ? [name] : [`refs/tags/${name}`, `refs/heads/${name}`];
    for (const ref of refs) {
      const answer = await this.#fetch(ref);
      if (answer.ok) return this.#mustFind(FETCHED, unknown);
      if (!isRefMissing(answer.stderr)) throw this.#git.fault(answer);
    }
    if (!isHashStart(name)) throw unknown();
    return this.#search(name, unknown);
  }

  /** Looks for a hash in the whole branch, then in everything the server shows. */
  async #search(hash: string, unknown: () => BelfryError): Promise<string> {
    const { branch } = this.#wanted;
    if (branch !== null && isRefName(branch)) {
      const answer = await this.#fetch(this.#branchRef(branch), true);
      if (!answer.ok && !isRefMissing(answer.stderr)) throw this.#git.fault(answer);
      const found = answer.ok ? await this.#find(hash) : undefined;
      if (found) return found;
    }
    const answer = await this.#git.fetch(
      [...(await this.#deepen()), "--no-tags"],
      ["+refs/heads/*:refs/belfry/all/heads/*", "+refs/tags/*:refs/belfry/all/tags/*"],
    );
    if (!answer.ok) throw this.#git.fault(answer);
    return this.#mustFind(hash, unknown);
  }

  async #mustBring(ref: string, unknown: () => BelfryError): Promise<string> {
    if (ref !== "HEAD" && !isRefName(ref)) throw unknown();
    const answer = await this.#fetch(ref);
    if (answer.ok) return this.#mustFind(FETCHED, unknown);
    throw isRefMissing(answer.stderr) ? unknown() : this.#git.fault(answer);
  }

  async #fetch(source: string, whole = false): Promise<GitAnswer> {
    const { depth, tags } = this.#wanted;
    const deep = whole ? await this.#deepen() : depth === undefined ? [] : [`--depth=${depth}`];
    return this.#git.fetch([...deep, tags ? "--tags" : "--no-tags"], [`+${source}:${FETCHED}`]);
  }

  async #deepen(): Promise<string[]> {
    const isShallow =
      this.#wanted.depth !== undefined && (await this.#ctx.worker.exists(posix.join(this.#path, ".git", "shallow")));
    return isShallow ? ["--unshallow"] : [];
  }

  async #mustFind(revision: string, unknown: () => BelfryError): Promise<string> {
    const found = await this.#find(revision);
    if (!found) throw unknown();
    return found;
  }

  /** The commit's hash if it is here. `revision` is a ref of ours or made of hexadecimal digits. */
  async #find(revision: string): Promise<string | undefined> {
    const { ok, stdout } = await this.#git.ask([
      "rev-parse",
      "--verify",
      "--quiet",
      "--end-of-options",
      `${revision}^{commit}`,
    ]);
    return ok ? stdout.trim() : undefined;
  }

  #branchRef(branch: string): string {
    return branch.startsWith("refs/") ? branch : `refs/heads/${branch}`;
  }
}
