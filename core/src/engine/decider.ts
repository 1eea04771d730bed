import type { Generation } from "../config/generation.ts";
import type { DistributionRules, FreeWorker, RequestInfo } from "../interfaces/distribution.ts";
import type { LockUse } from "../interfaces/lock.ts";
import type { Millis } from "../interfaces/values.ts";
import type { Plan } from "../store/assigning.ts";
import { isSameLock, LAST_PLACE, type LockBook, type LockNeed } from "../store/lock-book.ts";
import { type BuilderChoice, nextInQueue, type QueuePlace, type QueueRow, stillWaiting } from "../store/queue.ts";
import type { Db } from "../store/tables.ts";
import { findTogether } from "./collapsing.ts";
import type { HookKeeper } from "./hooks.ts";
import { needsOf } from "./lock-needs.ts";
import { renderContextOf, requestInfos } from "./request-infos.ts";
import { RequestLine } from "./request-line.ts";
import { freeSlot, freeWorkers, hasFreeSlot, isReady, type KnownWorker, reasonsToWait, type World } from "./waiting.ts";

const ROWS_A_PAGE = 200;
/** Starts that are written in one transaction. */
const MOST_STARTS = 50;
/** So many requests of a builder are looked at in vain, then the pass goes on with others. */
const MOST_REFUSED = 100;
const ASK_AGAIN = 5_000;

export type DistributedConfig = Pick<Generation, "builders" | "locks" | "workerLocks">;

type Tried =
  | { state: "go"; needs: LockNeed[] }
  | { state: "no"; text: string }
  | { state: "blocked"; needs: LockNeed[] }
  /** A function has not answered, or failed. */
  | { state: "out" };

/** One pass over the queue: decides, and writes nothing. */
export class Decider {
  readonly plan: Plan = {
    starts: [],
    waiters: [],
    dropped: [],
    held: new Map(),
    wakeAt: undefined,
    again: false,
  };
  readonly #db: Db;
  readonly #config: DistributedConfig;
  readonly #world: World;
  readonly #book: LockBook;
  readonly #line: RequestLine;
  readonly #hooks: HookKeeper;
  readonly #builderIds: ReadonlyMap<string, number>;
  /** Builders that may get a build in this pass. */
  readonly #able = new Set<string>();
  /** Builders of which all requests need the same locks, and those are not to be had. */
  readonly #blocked = new Set<string>();
  readonly #inLine = new Set<string>();
  readonly #refused = new Map<string, number>();
  readonly #decided = new Set<number>();
  /** Those who stand in line. */
  #kept: readonly QueueRow[] = [];

  constructor(
    db: Db,
    config: DistributedConfig,
    world: World,
    book: LockBook,
    hooks: HookKeeper,
    builderIds: ReadonlyMap<string, number>,
    out: ReadonlySet<string>,
  ) {
    this.#db = db;
    this.#config = config;
    this.#world = world;
    this.#book = book;
    this.#line = new RequestLine(book, world.now);
    this.#hooks = hooks;
    this.#builderIds = builderIds;
    for (const name of world.builders.keys()) {
      const till = hooks.pausedTill(name);
      if (till !== undefined) this.#wake(till);
      else if (!out.has(name) && this.#mayStart(name)) this.#able.add(name);
    }
  }

  async decide(): Promise<Plan> {
    const line = await this.#keepLine();
    let page: QueueRow[] = [];
    let after: QueuePlace | undefined;
    let more = true;
    while (this.#able.size > 0) {
      if (this.plan.starts.length >= MOST_STARTS) {
        this.plan.again = true;
        break;
      }
      if (page.length === 0 && more) {
        const choice = this.#choice();
        page = choice ? await nextInQueue(this.#db, choice, this.#world.now, after, ROWS_A_PAGE) : [];
        more = page.length === ROWS_A_PAGE;
        after = page.at(-1);
      }
      const fromLine = line[0] !== undefined && (page[0] === undefined || !isBefore(page[0], line[0]));
      const row = fromLine ? line.shift() : page.shift();
      if (!row) break;
      if (this.#decided.has(row.id) || !this.#able.has(row.name)) continue;
      if (!fromLine && this.#blocked.has(row.name)) continue;
      await this.#consider(row, fromLine);
    }
    return this.plan;
  }

  /** Whose requests may be considered; undefined for nobody's. A builder that is not known yet has to be told apart by its name. */
  #choice(): BuilderChoice | undefined {
    const only: number[] = [];
    const not: number[] = [];
    for (const [name, id] of this.#builderIds) (this.#able.has(name) && !this.#blocked.has(name) ? only : not).push(id);
    if (only.length === 0) return undefined;
    return only.length <= not.length ? { only } : { not };
  }

  #mayStart(builder: string): boolean {
    return reasonsToWait({ id: 0, builder, priority: 0, notBefore: 0, retries: 0 }, this.#world).length === 0;
  }

  #wake(at: Millis): void {
    this.plan.wakeAt = Math.min(this.plan.wakeAt ?? at, at);
  }

  /** Those who stand in line, as far as nothing but locks and busy workers keeps them; others leave it. */
  async #keepLine(): Promise<QueueRow[]> {
    const rows = await stillWaiting(this.#db, this.#line.requests);
    const kept = rows.filter((row) => {
      const request = { id: row.id, builder: row.name, priority: 0, notBefore: row.not_before, retries: 0 };
      return reasonsToWait(request, this.#world).every(({ reason }) => reason === "workers-busy");
    });
    this.#kept = [...kept];
    for (const row of kept) if (this.#mustYield(row)) this.#yield(row);
    const ids = new Set(kept.map((row) => row.id));
    this.#drop((request) => !ids.has(request));
    return kept;
  }

  /**
   * True for a request that stands before those on whose places it waits: all builds on its workers wait for
   * locks themselves, and some step has to wait for this request.
   */
  #mustYield(row: QueueRow): boolean {
    const workers = (this.#world.builders.get(row.name)?.workers ?? []).map((name) => this.#world.workers.get(name));
    const ready = workers.filter((worker) => worker && isReady(worker));
    const waits = (build: number) => this.#book.entries.some((entry) => !entry.held && entry.build === build);
    if (!ready.every((worker) => worker && !hasFreeSlot(worker) && worker.builds.every(({ id }) => waits(id))))
      return false;
    return this.#line.isBeforeStep(row.id);
  }

  #yield(row: QueueRow): void {
    const needs = this.#line.yield(row.id);
    this.#note(row.id);
    this.plan.waiters.push({ row, needs });
  }

  /** Out of the line. */
  #drop(leaves: (request: number) => boolean): void {
    for (const { request } of this.#line.leave(leaves)) this.#note(request);
  }

  /** What is written of a request in the line is no longer so. */
  #note(request: number): void {
    if (!this.plan.dropped.includes(request)) this.plan.dropped.push(request);
  }

  async #consider(first: QueueRow, fromLine: boolean): Promise<void> {
    const builder = this.#config.builders.get(first.name);
    if (!builder) return;
    const { nextBuild } = builder.rules;
    if (!nextBuild || fromLine) return this.#tryRequest(first, builder.rules);
    for (;;) {
      const row = await this.#nextBuild(first, nextBuild);
      if (!row) return;
      await this.#tryRequest(row, builder.rules);
      if (!this.#able.has(first.name) || this.plan.starts.length >= MOST_STARTS) return;
    }
  }

  async #tryRequest(row: QueueRow, rules: DistributionRules): Promise<void> {
    this.#decided.add(row.id);
    let workers = freeWorkers(row.name, this.#world);
    let info: RequestInfo | undefined;
    if (rules.nextWorker) {
      info = await this.#info(row);
      const names = workers.map((worker) => worker.name);
      const { nextWorker } = rules;
      const answer = await this.#hooks.ask(
        row.name,
        "nextWorker",
        JSON.stringify([row.id, names]),
        () => nextWorker(info as RequestInfo, workers.map(shownWorker)),
        (value) => {
          if (value === null || names.includes(value as string)) return value as string | null;
          throw new Error("it has to answer the name of a free worker, or null");
        },
      );
      if (answer.state !== "answer") return this.#out(row.name);
      if (answer.value === null) return this.#hold(row, { reason: "next-worker" });
      workers = workers.filter((worker) => worker.name === answer.value);
    }
    let no: string | undefined;
    let blocked: LockNeed[] | undefined;
    for (const worker of workers) {
      const tried = await this.#try(row, row.id, worker);
      if (tried.state === "out") return this.#out(row.name);
      if (tried.state === "go") return this.#start(row, worker, tried.needs);
      if (tried.state === "no") no ??= tried.text;
      else if (blocked === undefined || this.#line.isIn(row.id, tried.needs)) blocked = tried.needs;
    }
    if (blocked) this.#standInLine(row, blocked);
    else this.#hold(row, { reason: "can-start", text: no ?? "" });
  }

  /** Asks everything that can be said against a build on this worker now; `turn` is the request whose place in the line counts. */
  async #try(row: QueueRow, turn: number, worker: KnownWorker): Promise<Tried> {
    const builder = this.#config.builders.get(row.name);
    if (!builder) return { state: "out" };
    const { canStart } = builder.rules;
    if (canStart) {
      const info = await this.#info(row);
      const answer = await this.#hooks.ask(
        row.name,
        "canStart",
        JSON.stringify([row.id, worker.name]),
        () => canStart(info, shownWorker(worker)),
        (value) => {
          if (typeof value === "boolean" || typeof value === "string") return value;
          throw new Error("it has to answer true, false or text");
        },
      );
      if (answer.state !== "answer") return { state: "out" };
      if (answer.value !== true) return { state: "no", text: String(answer.value || "") };
    }
    const needs = await this.#needs(row, worker);
    if (!needs) return { state: "out" };
    if (needs.length === 0) return { state: "go", needs };
    const place = this.#line.place(turn) ?? LAST_PLACE;
    const blocked = this.#book.blocked(needs, { urgency: row.urgency, place });
    return { state: blocked.length === 0 ? "go" : "blocked", needs };
  }

  async #needs(row: QueueRow, worker: KnownWorker): Promise<LockNeed[] | undefined> {
    const builder = this.#config.builders.get(row.name);
    const uses = [builder?.locks, this.#config.workerLocks.get(worker.name)].filter((use) => use !== undefined);
    if (!builder || uses.length === 0) return [];
    const info = uses.some(isComputed) ? await this.#info(row) : undefined;
    const compute = async () => {
      const owner = `the builder "${row.name}"`;
      const ctx = renderContextOf(info ?? plainInfo(row), worker.name, builder);
      const lists = uses.map((use) => needsOf(owner, use, worker.name, this.#config.locks, ctx));
      return needsOf(owner, (await Promise.all(lists)).flat(), worker.name, this.#config.locks, ctx);
    };
    if (!info) return compute();
    const about = JSON.stringify([row.id, worker.name]);
    const answer = await this.#hooks.ask(row.name, "locks", about, compute, (value) => value as LockNeed[]);
    return answer.state === "answer" ? answer.value : undefined;
  }

  async #start(row: QueueRow, worker: KnownWorker, needs: LockNeed[]): Promise<void> {
    let kept = { row, needs };
    let together: number[] = [];
    const { collapse = false } = this.#config.builders.get(row.name)?.rules ?? {};
    if (collapse !== false) {
      const rows = await nextInQueue(this.#db, { only: [row.builder_id] }, this.#world.now, undefined, ROWS_A_PAGE);
      const others = rows.filter((other) => other.id === row.id || !this.#decided.has(other.id));
      const found = await findTogether(row, others, collapse, this.#db, this.#hooks, async (other) => {
        const tried = await this.#try(other, row.id, worker);
        return tried.state === "go" ? tried.needs : undefined;
      });
      if (!found) return this.#out(row.name);
      kept = { row: found.kept, needs: found.needs ?? needs };
      together = found.together;
    }
    for (const id of [kept.row.id, ...together]) this.#decided.add(id);
    this.#leaveLine([row.id, kept.row.id, ...together], kept.needs);
    const claim = { urgency: row.urgency, place: 0, request: kept.row.id, build: -kept.row.id, step: 0 };
    const now = this.#world.now;
    this.#book.add(...kept.needs.map((need) => ({ ...need, ...claim, held: true, askedAt: now, heldAt: now })));
    const slot = freeSlot(worker, row.name);
    worker.builds.push({ id: -kept.row.id, builder: row.name, slot });
    this.plan.starts.push({ ...kept, worker, slot, turn: row.id, together });
    if (hasFreeSlot(worker)) return;
    for (const name of this.#able) if (!this.#mayStart(name)) this.#able.delete(name);
  }

  /** Those who stood for something else than they got leave room for others, who were looked at before. */
  #leaveLine(requests: readonly number[], got: readonly LockNeed[]): void {
    const left = this.#line.leave((request) => requests.includes(request));
    if (left.some((entry) => !got.some((need) => isSameLock(need, entry)))) this.plan.again = true;
  }

  /** Of requests of one builder that need the same, the first one stands for all. */
  #standInLine(row: QueueRow, needs: LockNeed[]): void {
    this.#release(row);
    const builder = this.#config.builders.get(row.name);
    const key = JSON.stringify([row.name, needs]);
    if (!this.#inLine.has(key) && !this.#line.isIn(row.id, needs)) {
      this.#line.stand(row, needs);
      this.plan.waiters.push({ row, needs });
    }
    this.#inLine.add(key);
    const { nextWorker, canStart } = builder?.rules ?? {};
    const uses = [builder?.locks, ...(builder?.workers ?? []).map((name) => this.#config.workerLocks.get(name))];
    if (nextWorker || canStart || uses.some(isComputed)) this.#refuse(row);
    else this.#blocked.add(row.name);
  }

  async #nextBuild(
    first: QueueRow,
    nextBuild: (requests: readonly RequestInfo[]) => unknown,
  ): Promise<QueueRow | undefined> {
    const all = await nextInQueue(this.#db, { only: [first.builder_id] }, this.#world.now, undefined, MOST_REFUSED);
    const rows = all.filter((row) => !this.#decided.has(row.id));
    if (rows.length === 0) {
      this.#out(first.name);
      return undefined;
    }
    const ids = rows.map((row) => row.id);
    const infos = await requestInfos(this.#db, rows);
    const answer = await this.#hooks.ask(
      first.name,
      "nextBuild",
      JSON.stringify(ids),
      () => nextBuild(infos),
      (value) => {
        if (value === null || ids.includes(value as number)) return value as number | null;
        throw new Error("it has to answer the id of one of the requests, or null");
      },
    );
    if (answer.state === "answer" && answer.value !== null) return rows.find((row) => row.id === answer.value);
    if (answer.state === "answer") for (const row of rows) this.#hold(row, { reason: "next-build" });
    this.#out(first.name);
    return undefined;
  }

  async #info(row: QueueRow): Promise<RequestInfo> {
    return (await requestInfos(this.#db, [row]))[0] ?? plainInfo(row);
  }

  #out(builder: string): void {
    this.#able.delete(builder);
    const till = this.#hooks.pausedTill(builder);
    if (till === undefined) return;
    this.#wake(till);
    // What its functions keep from starting keeps nobody else from the locks it stands in line for.
    const ids = this.#kept.filter((row) => row.name === builder).map((row) => row.id);
    this.#drop((request) => ids.includes(request));
  }

  #hold(row: QueueRow, why: { reason: string; text?: string }): void {
    const before = row.held === null ? undefined : JSON.parse(row.held);
    const same = before?.reason === why.reason && before?.text === why.text;
    if (!same) this.plan.held.set(row.id, JSON.stringify({ ...why, since: this.#world.now }));
    this.#wake(this.#world.now + ASK_AGAIN);
    this.#drop((request) => request === row.id);
    this.#refuse(row);
  }

  #release(row: QueueRow): void {
    if (row.held !== null) this.plan.held.set(row.id, null);
  }

  #refuse(row: QueueRow): void {
    const count = (this.#refused.get(row.name) ?? 0) + 1;
    this.#refused.set(row.name, count);
    if (count >= MOST_REFUSED) this.#out(row.name);
  }
}

function isBefore(a: QueueRow, b: QueueRow): boolean {
  return a.urgency < b.urgency || (a.urgency === b.urgency && a.id < b.id);
}

function shownWorker({ name, slots, builds }: KnownWorker): FreeWorker {
  return { name, slots, busy: builds.length };
}

function plainInfo(row: QueueRow): RequestInfo {
  const { id, name, buildset_id, priority, submitted_at, retries } = row;
  const nothing = { scheduler: null, reason: "", sourceStamps: [], changes: [], properties: {} };
  return { id, builder: name, buildset: buildset_id, priority, submittedAt: submitted_at, retries, ...nothing };
}

/** Whether locks depend on the request. */
function isComputed(use: LockUse | undefined): boolean {
  if (use === undefined) return false;
  if (!Array.isArray(use)) return true;
  return use.some(
    (access) => Object.values(access ?? {}).some((value) => typeof value === "object") || typeof access === "function",
  );
}
