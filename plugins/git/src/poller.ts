import { mkdir } from "node:fs/promises";
import { type ChangeSource, defineChangeSource, type NewChange, type SourceContext } from "belfry";
import { BranchCache } from "./branch-cache.ts";
import { ChangeBatch } from "./change-batch.ts";
import { changeOf } from "./commit-change.ts";
import type { Commit } from "./commit-log.ts";
import { faults } from "./errors.ts";
import { allowedProtocols } from "./git-settings.ts";
import { Login } from "./login.ts";
import { MasterGit, mayBeBrokenCache, RefVanished } from "./master-git.ts";
import { PollerMemory } from "./poller-memory.ts";
import { type PollerOptions, pollerOptions } from "./poller-options.ts";
import { renderSecrets } from "./poller-secrets.ts";
import { MAX_NAME_LENGTH, refFilter } from "./ref-filter.ts";
import { parseAddress, type RepositoryAddress } from "./repository-address.ts";

const MAX_BRANCHES = 10_000;
const ATTEMPTS = 3;
const HEADS = "refs/heads/";
const TAGS = "refs/tags/";

/** Watches branches of a git repository; see the README for every option. */
export const gitPoller = defineChangeSource({
  kind: "poller",
  options: pollerOptions,
  create: (given, ctx) => new GitPoller(given, parseAddress(given.repository, ctx.folder)),
});

type Matches = (name: string) => boolean;

/** What the remote has of what is watched. */
interface Remote {
  branches: Map<string, string>;
  tags: Map<string, { object: string; commit: string }>;
}

class GitPoller implements ChangeSource {
  readonly pollInterval: number;
  readonly pollTimeout: number;
  readonly #options: PollerOptions;
  readonly #address: RepositoryAddress;
  /** What is watched, as the memory keeps it. */
  readonly #filter: string;
  readonly #tagFilter: string | null;
  readonly #branches: Matches | undefined;
  readonly #tags: Matches | undefined;

  constructor(given: PollerOptions, address: RepositoryAddress) {
    this.pollInterval = given.pollInterval;
    this.pollTimeout = given.pollTimeout;
    this.#options = given;
    this.#address = address;
    const branches = given.onlyTags ? [] : (given.branches ?? ["main", "master"]);
    const tags = given.tags ?? given.onlyTags;
    this.#filter = JSON.stringify(branches);
    this.#tagFilter = tags === false ? null : JSON.stringify(tags);
    this.#branches = given.onlyTags ? undefined : refFilter(branches);
    this.#tags = tags === false ? undefined : refFilter(tags);
  }

  async poll(ctx: SourceContext): Promise<void> {
    const memory = PollerMemory.read(ctx.state);
    if (!memory) throw faults.stateUnreadable(this.#address.url);
    await mkdir(ctx.folder, { recursive: true });
    const words = await renderSecrets(ctx, this.#options);
    const git = await MasterGit.open({
      folder: ctx.folder,
      login: new Login(this.#address, words),
      trusted: this.#options.trusted,
      protocols: allowedProtocols(this.#address, this.#options.protocols),
      signal: ctx.signal,
    });
    try {
      await this.#pollWith(ctx, git, memory);
    } finally {
      await git.close();
    }
  }

  async #pollWith(ctx: SourceContext, git: MasterGit, memory: PollerMemory): Promise<void> {
    const cache = new BranchCache(git, ctx.folder);
    let wiped = false;
    for (let attempt = 1; ; attempt++) {
      ctx.progress(`asking ${this.#address.url} for its branches and tags`);
      const remote = await this.#look(git);
      if (this.#isKnown(remote, memory)) return;
      try {
        return await this.#tell(ctx, memory, cache, remote);
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

  async #look(git: MasterGit): Promise<Remote> {
    const remote: Remote = { branches: new Map(), tags: new Map() };
    const take = <T>(into: Map<string, T>, name: string, value: T, kind: "branches" | "tags") => {
      if (into.size >= MAX_BRANCHES) throw faults.tooManyBranches(this.#address.url, kind, MAX_BRANCHES);
      into.set(name, value);
    };
    await git.refs(
      { branches: this.#branches !== undefined, tags: this.#tags !== undefined },
      (ref, object, commit) => {
        const isTag = ref.startsWith(TAGS);
        const name = ref.slice(isTag ? TAGS.length : HEADS.length);
        // A name that is no UTF-8 could not be asked for again.
        if (name.length > MAX_NAME_LENGTH || name.includes("\ufffd")) return;
        if (isTag) {
          if (this.#tags?.(name)) take(remote.tags, name, { object, commit }, "tags");
        } else if (this.#branches?.(name)) {
          // Everywhere else a name that starts so is taken for a whole ref.
          take(remote.branches, name.startsWith("refs/") ? ref : name, object, "branches");
        }
      },
    );
    return remote;
  }

  #isKnown({ branches, tags }: Remote, memory: PollerMemory): boolean {
    if (memory.filter !== this.#filter || memory.tagFilter !== this.#tagFilter) return false;
    if (!sameHeads(branches, memory.heads) || tags.size !== memory.tags.size) return false;
    for (const [tag, { commit }] of tags) if (memory.tags.get(tag) !== commit) return false;
    return true;
  }

  async #tell(ctx: SourceContext, memory: PollerMemory, cache: BranchCache, remote: Remote): Promise<void> {
    const batch = new ChangeBatch(ctx, memory);
    for (const branch of [...memory.heads.keys()]) {
      if (remote.branches.has(branch)) continue;
      memory.drop(branch);
      ctx.note(`branch ${branch} is gone or no longer watched`);
    }
    const tags = this.#newTags(ctx, memory, remote);
    const wanted = new Map(remote.branches);
    for (const tag of tags.keys()) wanted.set(TAGS + tag, remote.tags.get(tag)?.object ?? "");
    if (wanted.size > 0) {
      ctx.progress(`fetching what is new of ${remote.branches.size} branches and ${tags.size} tags`);
      const keep = [...memory.gone.keys(), ...[...remote.tags.keys()].map((tag) => TAGS + tag)];
      const fetched = await cache.sync(wanted, keep);
      await this.#tellBranches(ctx, { memory, cache, batch }, remote.branches, fetched);
      await this.#tellTags(ctx, { memory, cache, batch }, tags, fetched);
    }
    memory.filter = this.#filter;
    memory.tagFilter = this.#tagFilter;
    await batch.flush();
  }

  async #tellBranches(
    ctx: SourceContext,
    { memory, cache, batch }: Tools,
    remote: Map<string, string>,
    fetched: Map<string, string>,
  ): Promise<void> {
    const heads = [...fetched].filter(([branch]) => remote.has(branch));
    for (const [branch, sha] of remote) {
      if (fetched.has(branch) || memory.heads.get(branch) === sha) continue;
      ctx.note(`branch ${branch} is skipped: its head is no commit`);
      memory.settle(branch, sha);
    }
    const changed = heads.filter(([branch, head]) => memory.heads.has(branch) && memory.heads.get(branch) !== head);
    const added = heads.filter(([branch]) => !memory.heads.has(branch));
    const known = await cache.known([...memory.heads.values(), ...memory.gone.values()]);
    for (const [branch, head] of changed) await this.#tellChanged(ctx, { memory, cache, batch, known, branch, head });
    if (memory.filter !== this.#filter) await this.#tellHeads(ctx, memory, cache, batch, added);
    else for (const [branch, head] of added) await this.#tellAdded(ctx, { memory, cache, batch, known, branch, head });
  }

  /** Tags that came or moved since the last poll. With other patterns those that are there are taken in without a word. */
  #newTags(ctx: SourceContext, memory: PollerMemory, remote: Remote): Map<string, string> {
    for (const tag of [...memory.tags.keys()]) if (!remote.tags.has(tag)) memory.tags.delete(tag);
    const isFirst = memory.tagFilter !== this.#tagFilter;
    const found = new Map<string, string>();
    for (const [tag, { commit }] of remote.tags) {
      const before = memory.tags.get(tag);
      if (before === commit) continue;
      if (isFirst && before === undefined) memory.tags.set(tag, commit);
      else found.set(tag, commit);
    }
    const { changeLimit } = this.#options;
    if (found.size <= changeLimit) return found;
    ctx.note(`${found.size} tags are new: ${changeLimit} are taken`);
    const kept = [...found];
    for (const [tag, commit] of kept.slice(changeLimit)) memory.tags.set(tag, commit);
    return new Map(kept.slice(0, changeLimit));
  }

  async #tellTags(
    ctx: SourceContext,
    { memory, cache, batch }: Tools,
    tags: Map<string, string>,
    fetched: Map<string, string>,
  ): Promise<void> {
    const names = new Map<string, string[]>();
    for (const [tag, told] of tags) {
      const commit = fetched.get(TAGS + tag);
      if (commit === undefined) {
        ctx.note(`tag ${tag} is skipped: it is no commit`);
        memory.tags.set(tag, told);
        continue;
      }
      names.set(commit, [...(names.get(commit) ?? []), tag]);
    }
    if (names.size === 0) return;
    ctx.progress(`reading the commits of ${tags.size} tags`);
    for await (const commit of cache.commits(names.keys(), this.#options.fileLimit)) {
      for (const tag of names.get(commit.sha) ?? []) {
        const change = this.#change(ctx, TAGS + tag, commit, this.#pushKey(memory, TAGS + tag, commit.sha));
        await batch.add({ ...change, properties: { tag } });
        memory.tags.set(tag, commit.sha);
      }
    }
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
    const without = this.#options.buildPushesWithoutCommits ? [head] : [];
    await this.#report(ctx, news, came > 0 ? await cache.list(head, [old], this.#options.changeLimit) : without);
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
        await batch.add(this.#change(ctx, branch, commit, `${branch}:${commit.sha}`));
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
      ctx.progress(`reading ${shas.length} commits of ${branch}`);
      for await (const commit of cache.commits(shas, this.#options.fileLimit)) {
        const key = commit.sha === head ? this.#pushKey(memory, branch, head) : `${branch}:${commit.sha}`;
        await batch.add(this.#change(ctx, branch, commit, key));
      }
    }
    memory.settle(branch, head);
    known.add(head);
  }

  #noteCut(ctx: SourceContext, branch: string, count: number): void {
    const { changeLimit } = this.#options;
    if (count > changeLimit) ctx.note(`branch ${branch} has ${count} new commits: the newest ${changeLimit} are taken`);
  }

  #change(ctx: SourceContext, branch: string, commit: Commit, key: string): NewChange {
    return changeOf(ctx, this.#options, { branch, commit, key, repository: this.#address.url });
  }

  /** Where every push counts, one that goes back to a commit that was told before has a key of its own. */
  #pushKey(memory: PollerMemory, branch: string, sha: string): string {
    const key = `${branch}:${sha}`;
    return this.#options.buildPushesWithoutCommits ? `${key}#${++memory.pushes}` : key;
  }
}

interface Tools {
  memory: PollerMemory;
  cache: BranchCache;
  batch: ChangeBatch;
}

interface News extends Tools {
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
