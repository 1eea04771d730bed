import { posix } from "node:path";
import { BelfryError, type SourceStampSpec, type StepContext } from "belfry";
import { faults } from "./errors.ts";
import { isCommitRefused, isRefMissing } from "./git-fault.ts";
import { branchRef, isHash, isHashStart, isRefName } from "./ref-name.ts";
import type { GitAnswer, WorkerGit } from "./worker-git.ts";

export interface Wanted {
  branch: string | null;
  /** A hash, the start of one, a tag, or a whole ref; `null` for the newest of the branch. */
  revision: string | null;
  depth: number | undefined;
  /** Leaves out objects that git then fetches when it needs them, such as `blob:none`. */
  filter: string | undefined;
  /** A repository on the worker that has most of the objects. */
  reference: string | undefined;
  tags: boolean;
}

export type Patch = NonNullable<SourceStampSpec["patch"]>;

export type Clean = "none" | "untracked" | "ignored";

const FETCHED = "refs/belfry/fetched";
/** The file contents that a step wants are brought by the step, with its login. */
const SKIP_LFS = { GIT_LFS_SKIP_SMUDGE: "1" };

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
      "^(remote\\.origin\\.url|belfry\\.(depth|filter|reference))$",
    ]);
    if (!ok) return "useless";
    const settings = new Map(
      stdout.split("\0").map((line): [string, string] => {
        const [name = "", ...value] = line.split("\n");
        return [name, value.join("\n")];
      }),
    );
    const isSame = [["remote.origin.url", this.#git.address.url], ...this.#shape()].every(
      ([name = "", value]) => (settings.get(name) ?? "") === value,
    );
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
    for (const [name, value] of this.#shape()) if (value !== "") await this.#git.change(["config", name, value]);
    if (this.#wanted.reference !== undefined) await this.#borrow(this.#wanted.reference);
  }

  /** What a clone has to be like to be used again. */
  #shape(): [name: string, value: string][] {
    const { depth, filter, reference } = this.#wanted;
    return [
      ["belfry.depth", String(depth ?? 0)],
      ["belfry.filter", filter ?? ""],
      ["belfry.reference", reference ?? ""],
    ];
  }

  /** Lets the clone use the objects of another repository, if there is one that can be used. */
  async #borrow(reference: string): Promise<void> {
    const { worker } = this.#ctx;
    const said = await this.#git.ask(["-C", reference, "rev-parse", "--git-common-dir", "--is-shallow-repository"], {
      free: true,
    });
    const [folder, isShallow] = said.stdout.trimEnd().split("\n");
    const objects = folder === undefined ? "" : posix.join(posix.resolve(worker.folder, reference, folder), "objects");
    // A line feed would begin another line of the file, and a quote be taken for one.
    const isUsable = said.ok && isShallow === "false" && !/["\p{Cc}]/u.test(objects) && (await worker.exists(objects));
    if (isUsable) await worker.writeFile(posix.join(this.#path, ".git/objects/info/alternates"), `${objects}\n`);
    const text = isUsable
      ? `Objects of ${reference} are used.\n`
      : `The reference ${reference} is not used: it is no repository that has its whole history.\n`;
    await this.#ctx.log("stdio").write(text, "header");
  }

  /** Makes the wanted commit part of the repository, and returns its hash. */
  async bring(): Promise<string> {
    const { branch, revision } = this.#wanted;
    if (revision !== null) return this.#bringRevision(revision);
    if (branch === null) return this.#mustBring("HEAD", () => faults.branchUnknown(this.#git.address.url, "HEAD"));
    return this.#mustBring(branchRef(branch), () => faults.branchUnknown(this.#git.address.url, branch));
  }

  /** Lets the files be those of the commit. */
  async place(sha: string, clean: Clean): Promise<void> {
    const args = ["checkout", "--force", "--detach", "--quiet", "--no-recurse-submodules", sha];
    if (this.#wanted.filter === undefined) await this.#git.change(args, { env: SKIP_LFS });
    else {
      // What was left out is fetched now.
      const answer = await this.#git.network(args, { env: SKIP_LFS });
      if (!answer.ok) throw this.#git.fault(answer);
    }
    if (clean !== "none") await this.#git.change(["clean", "--quiet", clean === "ignored" ? "-ffdx" : "-ffd"]);
  }

  /** New files of the patch go into the index, so that the next checkout removes them. */
  async patch({ level, body, author, comment }: Patch): Promise<void> {
    const by = author ? ` of ${author}` : "";
    const about = comment ? `:\n${comment.replace(/^/gm, "    ")}` : ".";
    await this.#ctx.log("stdio").write(`The patch${by} is applied, level ${level}${about}\n`, "header");
    try {
      await this.#git.change(["apply", "--index", "--whitespace=nowarn", `-p${level}`], { input: body });
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
      const answer = await this.#fetch(branchRef(branch), true);
      if (!answer.ok && !isRefMissing(answer.stderr)) throw this.#git.fault(answer);
      const found = answer.ok ? await this.#find(hash) : undefined;
      if (found) return found;
    }
    const answer = await this.#get(
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
    const refspec = [`+${source}:${FETCHED}`];
    const answer = await this.#get([...deep, tags ? "--tags" : "--no-tags"], refspec);
    // Such as a server that has nothing but files.
    if (answer.ok || deep.length === 0 || !/does not support (shallow|--depth|--unshallow)/i.test(answer.stderr))
      return answer;
    // Nor could it be asked for what a filter leaves out, though git would try without end.
    for (const name of ["promisor", "partialclonefilter"])
      await this.#git.ask(["config", "--unset-all", `remote.origin.${name}`]);
    return this.#git.fetch([tags ? "--tags" : "--no-tags"], refspec);
  }

  /** By name where the clone is a partial one, since git has to remember whom to ask for the rest. */
  #get(flags: string[], refspecs: string[]): Promise<GitAnswer> {
    const { filter } = this.#wanted;
    if (filter === undefined) return this.#git.fetch(flags, refspecs);
    return this.#git.fetch([`--filter=${filter}`, ...flags], refspecs, "origin");
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
}
