import { hash } from "node:crypto";
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { type Commit, LOG_ARGUMENTS, readCommits } from "./commit-log.ts";
import { streamFields } from "./git-process.ts";
import type { MasterGit } from "./master-git.ts";
import { branchRef } from "./ref-name.ts";

const REFS = "refs/belfry/heads/";
/** Branches in one fetch: the time that git takes grows with the square of it. */
const FETCH_LIMIT = 500;
const LINE_FEED = 10;
const SPACE = 32;

/** How a branch went from one commit to another. */
export interface Distance {
  /** Commits that are no longer part of it; more than 0 means that its history was rewritten. */
  left: number;
  /** Commits that are new. */
  came: number;
}

/**
 * A bare repository that keeps what was fetched of the watched branches, so that a poll moves only
 * what is new. It belongs to one source, whose polls never overlap, and can be thrown away at any
 * time.
 */
export class BranchCache {
  readonly #git: MasterGit;
  readonly #folder: string;

  constructor(git: MasterGit, folder: string) {
    this.#git = git;
    this.#folder = join(folder, "cache.git");
  }

  /** Removes it; the next `sync` makes it anew. */
  async wipe(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 3 });
  }

  /**
   * Fetches the branches and tags (by their whole names) that differ from what is here, and forgets
   * those in neither `heads` nor `keep`. Returns their commits as fetched, which may be newer than
   * asked for. What points to no commit is left out. Fails like git if one is gone meanwhile.
   */
  async sync(heads: ReadonlyMap<string, string>, keep: Iterable<string>): Promise<Map<string, string>> {
    await this.#prepare(heads);
    const before = await this.#refs();
    const refs = await refsOf([...heads.keys(), ...keep]);
    const refFor = (branch: string) => refs.get(branch) ?? "";
    const wanted = [...heads].filter(([branch, sha]) => before.get(refFor(branch))?.sha !== sha);
    for (let start = 0; start < wanted.length; start += FETCH_LIMIT) {
      const part = wanted.slice(start, start + FETCH_LIMIT);
      const lines = part.map(([branch]) => `+${branchRef(branch)}:${refFor(branch)}\n`);
      await this.#git.fetch(this.#folder, lines.join(""));
    }
    const after = wanted.length > 0 ? await this.#refs() : before;
    const fetched = new Map<string, string>();
    const annotated = new Map<string, string>();
    for (const branch of heads.keys()) {
      const ref = after.get(refFor(branch));
      if (ref?.type === "commit") fetched.set(branch, ref.sha);
      if (ref?.type === "tag") annotated.set(branch, ref.sha);
    }
    const peeled = annotated.size > 0 ? await this.#peel([...annotated.values()]) : [];
    for (const [index, tag] of [...annotated.keys()].entries()) {
      const commit = peeled[index];
      if (commit !== undefined) fetched.set(tag, commit);
    }
    const used = new Set(refs.values());
    const stale = [...after.keys()].filter((ref) => !used.has(ref));
    if (stale.length > 0) await this.#local(["update-ref", "--stdin"], stale.map((ref) => `delete ${ref}\n`).join(""));
    return fetched;
  }

  /** Which of these commits are here. */
  async known(shas: Iterable<string>): Promise<Set<string>> {
    const found = new Set<string>();
    const input = [...shas].map((sha) => `${sha}\n`).join("");
    if (input === "") return found;
    for await (const lines of streamFields(this.#call(["cat-file", "--batch-check"], input), LINE_FEED, 1_000)) {
      for (const line of lines) {
        const [sha = "", type] = line.toString("latin1").split(" ");
        if (type === "commit") found.add(sha);
      }
    }
    return found;
  }

  /** The commits that tags lead to, however many tags of tags there are; `undefined` where there is none. */
  async #peel(objects: string[]): Promise<(string | undefined)[]> {
    const commits: (string | undefined)[] = [];
    const input = objects.map((sha) => `${sha}^{commit}\n`).join("");
    for await (const lines of streamFields(this.#call(["cat-file", "--batch-check"], input), LINE_FEED, 1_000)) {
      for (const line of lines) {
        const [sha, type] = line.toString("latin1").split(" ");
        commits.push(type === "commit" ? sha : undefined);
      }
    }
    return commits;
  }

  async distance(from: string, to: string): Promise<Distance> {
    const [left, came] = (await this.#local(["rev-list", "--left-right", "--count", `${from}...${to}`]))
      .trim()
      .split(/\s+/)
      .map(Number);
    return { left: left ?? 0, came: came ?? 0 };
  }

  /** How many commits are reachable from `head` and from none of `others`. */
  async count(head: string, others: Iterable<string>): Promise<number> {
    return Number((await this.#local(["rev-list", "--count", "--stdin"], revisions(head, others))).trim());
  }

  /** Those commits, the newest `limit` of them, parents before children. */
  async list(head: string, others: Iterable<string>, limit: number): Promise<string[]> {
    const args = ["rev-list", "--topo-order", "--reverse", `--max-count=${limit}`, "--stdin"];
    const shas: string[] = [];
    for await (const lines of streamFields(this.#call(args, revisions(head, others)), LINE_FEED, 100)) {
      for (const line of lines) shas.push(line.toString("latin1"));
    }
    return shas;
  }

  /** Author, message and files of these commits, in this order, each of them once. */
  commits(shas: Iterable<string>, fileLimit: number): AsyncGenerator<Commit, void> {
    return readCommits(this.#call(LOG_ARGUMENTS, [...new Set(shas)].map((sha) => `${sha}\n`).join("")), fileLimit);
  }

  async #prepare(heads: ReadonlyMap<string, string>): Promise<void> {
    const entries = await readdir(this.#folder).catch(() => undefined);
    if (entries?.includes("HEAD")) return this.#removeLeftovers(entries);
    await this.wipe();
    await mkdir(this.#folder, { recursive: true });
    const [sample = ""] = heads.values();
    const format = sample.length === 64 ? ["--object-format=sha256"] : [];
    await this.#local(["init", "--quiet", "--bare", "--template=", ...format, this.#folder]);
  }

  /** A git that was killed leaves locks and half a pack. Nobody else works here, so they are dead. */
  async #removeLeftovers(entries: string[]): Promise<void> {
    const dead = entries.filter((name) => name.endsWith(".lock") || name === "gc.pid");
    for (const [folder, isDead] of [
      [REFS, (name: string) => name.endsWith(".lock")],
      ["objects/pack", (name: string) => name.startsWith("tmp_") || name.startsWith(".tmp-")],
      ["objects", (name: string) => name.startsWith("tmp_objdir-")],
    ] as const) {
      const names = await readdir(join(this.#folder, folder)).catch(() => []);
      dead.push(...names.filter(isDead).map((name) => join(folder, name)));
    }
    for (const name of dead) await rm(join(this.#folder, name), { recursive: true, force: true });
  }

  async #refs(): Promise<Map<string, { sha: string; type: string }>> {
    const refs = new Map<string, { sha: string; type: string }>();
    const args = ["for-each-ref", "--format=%(objectname) %(objecttype) %(refname)", REFS];
    for await (const lines of streamFields(this.#call(args), LINE_FEED, 1_000)) {
      for (const line of lines) {
        const [sha = "", type = "", name = ""] = line.toString("latin1").split(String.fromCharCode(SPACE));
        refs.set(name, { sha, type });
      }
    }
    return refs;
  }

  #call(args: string[], input?: string) {
    return this.#git.localCall(this.#folder, args, input);
  }

  #local(args: string[], input?: string): Promise<string> {
    return this.#git.local(this.#folder, args, input);
  }
}

/** A hash, since `a` and `a/b` cannot be refs at the same time while one is deleted and the other made. */
function refOf(branch: string): string {
  return REFS + hash("sha256", branch, "hex").slice(0, 40);
}

/** By branch; in pieces, since ten thousand of them would hold the process for too long. */
async function refsOf(branches: string[]): Promise<Map<string, string>> {
  const refs = new Map<string, string>();
  for (const [index, branch] of branches.entries()) {
    refs.set(branch, refOf(branch));
    if (index % 1_000 === 999) await setImmediate();
  }
  return refs;
}

function revisions(head: string, others: Iterable<string>): string {
  return `${head}\n${[...others].map((sha) => `^${sha}\n`).join("")}`;
}
