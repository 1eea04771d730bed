import { mkdir } from "node:fs/promises";
import { type ChangeSource, defineChangeSource, duration, type NewChange, type SourceContext, z } from "belfry";
import { BranchCache } from "./branch-cache.ts";
import { branchFilter, branchPatterns, MAX_BRANCH_LENGTH } from "./branch-filter.ts";
import { ChangeBatch } from "./change-batch.ts";
import type { Commit } from "./commit-log.ts";
import { faults } from "./errors.ts";
import { MasterGit, mayBeBrokenCache, RefVanished } from "./master-git.ts";
import { PollerMemory } from "./poller-memory.ts";
import { parseAddress, type RepositoryAddress } from "./repository-address.ts";

const MAX_BRANCHES = 10_000;
const ATTEMPTS = 3;

const options = z.strictObject({
  repository: z.string().describe("path or URL; a relative path starts at the configuration's folder"),
  branches: branchPatterns.default(["main", "master"]).describe("patterns of the branches to watch, or true for all"),
  pollInterval: duration.refine((ms) => ms >= 100, "expected at least 100ms").prefault("60s"),
  pollTimeout: duration.refine((ms) => ms > 0, "expected more than 0").prefault("10m"),
  project: z.string().max(200).optional(),
  codebase: z.string().max(200).optional(),
  category: z.string().max(200).nullable().optional(),
  changeLimit: z
    .int()
    .min(1)
    .max(100_000)
    .default(1_000)
    .describe("most changes of one branch in one poll; the newest are taken"),
  fileLimit: z.int().min(0).max(1_000_000).default(10_000).describe("most files of one change"),
  trusted: z.boolean().default(false).describe("read a local repository although its files belong to another user"),
});

type PollerOptions = z.output<typeof options>;

/** Watches branches of a git repository; see the README for every option. */
export const gitPoller = defineChangeSource({
  kind: "poller",
  options,
  create: (given, ctx) => new GitPoller(given, parseAddress(given.repository, ctx.folder)),
});

class GitPoller implements ChangeSource {
  readonly pollInterval: number;
  readonly pollTimeout: number;
  readonly #options: PollerOptions;
  readonly #address: RepositoryAddress;
  readonly #filter: string;
  readonly #matches: (branch: string) => boolean;

  constructor(given: PollerOptions, address: RepositoryAddress) {
    this.pollInterval = given.pollInterval;
    this.pollTimeout = given.pollTimeout;
    this.#options = given;
    this.#address = address;
    this.#filter = JSON.stringify(given.branches);
    this.#matches = branchFilter(given.branches);
  }

  async poll(ctx: SourceContext): Promise<void> {
    const memory = PollerMemory.read(ctx.state);
    if (!memory) throw faults.stateUnreadable(this.#address.url);
    await mkdir(ctx.folder, { recursive: true });
    const git = new MasterGit(this.#address, {
      folder: ctx.folder,
      trusted: this.#options.trusted,
      signal: ctx.signal,
    });
    const cache = new BranchCache(git, ctx.folder);
    let wiped = false;
    for (let attempt = 1; ; attempt++) {
      const heads = await this.#heads(git);
      if (memory.filter === this.#filter && sameHeads(heads, memory.heads)) return;
      try {
        return await this.#tell(ctx, memory, cache, heads);
      } catch (thrown) {
        ctx.signal.throwIfAborted();
        const error = git.explain(thrown);
        if (error instanceof RefVanished && attempt < ATTEMPTS) continue;
        if (error instanceof RefVanished)
          throw faults.failed(this.#address.url, "a branch went away while it was fetched.");
        if (wiped || !mayBeBrokenCache(error)) throw error;
        ctx.note(`the cache of ${this.#address.url} is made anew, since git failed in it: ${(error as Error).message}`);
        await cache.wipe();
        wiped = true;
      }
    }
  }

  async #heads(git: MasterGit): Promise<Map<string, string>> {
    const heads = new Map<string, string>();
    await git.branches((branch, sha) => {
      // A name that is no UTF-8 could not be asked for again.
      if (branch.length > MAX_BRANCH_LENGTH || branch.includes("\ufffd") || !this.#matches(branch)) return;
      if (heads.size >= MAX_BRANCHES) throw faults.tooManyBranches(this.#address.url, MAX_BRANCHES);
      heads.set(branch, sha);
    });
    return heads;
  }

  async #tell(
    ctx: SourceContext,
    memory: PollerMemory,
    cache: BranchCache,
    remote: Map<string, string>,
  ): Promise<void> {
    const batch = new ChangeBatch(ctx, memory);
    for (const branch of [...memory.heads.keys()]) {
      if (remote.has(branch)) continue;
      memory.drop(branch);
      ctx.note(`branch ${branch} is gone or no longer watched`);
    }
    if (remote.size > 0) {
      const heads = await cache.sync(remote, memory.gone.keys());
      for (const [branch, sha] of remote) {
        if (heads.has(branch) || memory.heads.get(branch) === sha) continue;
        ctx.note(`branch ${branch} is skipped: its head is no commit`);
        memory.settle(branch, sha);
      }
      const changed = [...heads].filter(
        ([branch, head]) => memory.heads.has(branch) && memory.heads.get(branch) !== head,
      );
      const added = [...heads].filter(([branch]) => !memory.heads.has(branch));
      const known = await cache.known([...memory.heads.values(), ...memory.gone.values()]);
      for (const [branch, head] of changed) await this.#tellChanged(ctx, { memory, cache, batch, known, branch, head });
      if (memory.filter !== this.#filter) await this.#tellHeads(ctx, memory, cache, batch, added);
      else
        for (const [branch, head] of added) await this.#tellAdded(ctx, { memory, cache, batch, known, branch, head });
    }
    memory.filter = this.#filter;
    await batch.flush();
  }

  /** A branch that was known: what is new on it. */
  async #tellChanged(ctx: SourceContext, news: News): Promise<void> {
    const { memory, cache, known, branch, head } = news;
    const old = memory.heads.get(branch) ?? "";
    if (!known.has(old)) {
      ctx.note(`branch ${branch} no longer holds ${short(old)}, where it was: only its head is taken`);
      return this.#report(ctx, news, [head]);
    }
    const { left, came } = await cache.distance(old, head);
    if (left > 0)
      ctx.note(
        `branch ${branch} was rewritten from ${short(old)} to ${short(head)}: ${left} commits left it, ${came} came`,
      );
    this.#noteCut(ctx, branch, came);
    await this.#report(ctx, news, came > 0 ? await cache.list(head, [old], this.#options.changeLimit) : []);
  }

  /** A branch that was not there: commits that no known branch has, or just its head. */
  async #tellAdded(ctx: SourceContext, news: News): Promise<void> {
    const { memory, cache, known, branch, head } = news;
    const others = new Set([...memory.heads.values(), ...memory.gone.values()].filter((sha) => known.has(sha)));
    const came = await cache.count(head, others);
    this.#noteCut(ctx, branch, came);
    await this.#report(ctx, news, came > 0 ? await cache.list(head, others, this.#options.changeLimit) : [head]);
  }

  /** The first poll, or the first with other patterns: the heads alone, since all history would be new. */
  async #tellHeads(
    ctx: SourceContext,
    memory: PollerMemory,
    cache: BranchCache,
    batch: ChangeBatch,
    added: [string, string][],
  ): Promise<void> {
    const branches = new Map<string, string[]>();
    for (const [branch, head] of added) {
      const same = branches.get(head);
      if (same) same.push(branch);
      else branches.set(head, [branch]);
    }
    for await (const commit of cache.commits(branches.keys(), this.#options.fileLimit)) {
      for (const branch of branches.get(commit.sha) ?? []) {
        await batch.add(this.#change(ctx, branch, commit));
        memory.settle(branch, commit.sha);
      }
    }
  }

  async #report(
    ctx: SourceContext,
    { memory, cache, batch, known, branch, head }: News,
    shas: string[],
  ): Promise<void> {
    if (shas.length > 0) {
      for await (const commit of cache.commits(shas, this.#options.fileLimit))
        await batch.add(this.#change(ctx, branch, commit));
    }
    memory.settle(branch, head);
    known.add(head);
  }

  #noteCut(ctx: SourceContext, branch: string, count: number): void {
    const { changeLimit } = this.#options;
    if (count > changeLimit) ctx.note(`branch ${branch} has ${count} new commits: the newest ${changeLimit} are taken`);
  }

  #change(ctx: SourceContext, branch: string, commit: Commit): NewChange {
    const { project, codebase, category } = this.#options;
    if (commit.fileCount > commit.files.length) {
      ctx.note(
        `commit ${short(commit.sha)} touches ${commit.fileCount} files: ${commit.files.length} of them are kept`,
      );
    }
    if (commit.messageCut) ctx.note(`the message of commit ${short(commit.sha)} is cut`);
    return {
      key: `${branch}:${commit.sha}`,
      author: commit.author,
      comments: commit.message,
      files: commit.files,
      revision: commit.sha,
      branch,
      repository: this.#address.url,
      ...(commit.when === undefined ? {} : { when: commit.when }),
      ...(project === undefined ? {} : { project }),
      ...(codebase === undefined ? {} : { codebase }),
      ...(category === undefined ? {} : { category }),
    };
  }
}

interface News {
  memory: PollerMemory;
  cache: BranchCache;
  batch: ChangeBatch;
  /** Commits that are in the cache, as far as it was asked. */
  known: Set<string>;
  branch: string;
  head: string;
}

function sameHeads(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  if (a.size !== b.size) return false;
  for (const [branch, sha] of a) if (b.get(branch) !== sha) return false;
  return true;
}

function short(sha: string): string {
  return sha.slice(0, 10);
}
