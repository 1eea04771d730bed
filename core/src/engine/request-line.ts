import type { Millis } from "../interfaces/values.ts";
import { isAhead, isSameLock, LAST_PLACE, type LockBook, type LockEntry, type LockNeed } from "../store/lock-book.ts";
import type { QueueRow } from "../store/queue.ts";

/** The requests among those who wait for locks: they wait before they have a build. */
export class RequestLine {
  readonly #book: LockBook;
  readonly #now: Millis;
  /** Behind all who have a place already; what is written gives those who come anew their real ones. */
  #newcomer = LAST_PLACE / 2;

  constructor(book: LockBook, now: Millis) {
    this.#book = book;
    this.#now = now;
  }

  /** Who stands here. */
  get requests(): number[] {
    return [...new Set(this.#book.entries.filter(isOfRequest).map((entry) => entry.request))];
  }

  /** Where a request stands; undefined if it does not. */
  place(request: number): number | undefined {
    return this.#of(request)[0]?.place;
  }

  /** Whether a request stands here for these locks and no others. */
  isIn(request: number, needs: readonly LockNeed[]): boolean {
    const own = this.#of(request);
    return own.length === needs.length && needs.every((need) => own.some((entry) => isSameNeed(need, entry)));
  }

  /** Whether a step waits for a lock for which a request stands before it. */
  isBeforeStep(request: number): boolean {
    const own = this.#of(request);
    return this.#book.entries.some(
      (entry) =>
        !entry.held && entry.build !== 0 && own.some((mine) => isSameLock(mine, entry) && isAhead(mine, entry)),
    );
  }

  /** At its place if it stood for other locks, else at the end. */
  stand(row: QueueRow, needs: readonly LockNeed[]): void {
    const own = this.leave((request) => request === row.id);
    this.#newcomer += 1;
    const place = own[0]?.place ?? this.#newcomer;
    const claim = { urgency: row.urgency, place, request: row.id, build: 0, step: 0, held: false };
    this.#book.add(...needs.map((need) => ({ ...need, ...claim, askedAt: this.#now, heldAt: null })));
  }

  /** Behind those who wait now, before all who come later; returns for what it stands there. */
  yield(request: number): LockNeed[] {
    const own = this.leave((other) => other === request);
    this.#newcomer += 1;
    this.#book.add(...own.map((entry) => ({ ...entry, place: this.#newcomer })));
    return own.map(({ lock, worker, mode, count }) => ({ lock, worker, mode, count }));
  }

  /** Takes requests away; returns for what they stood. */
  leave(leaves: (request: number) => boolean): LockEntry[] {
    return this.#book.remove((entry) => isOfRequest(entry) && leaves(entry.request));
  }

  #of(request: number): LockEntry[] {
    return this.#book.entries.filter((entry) => isOfRequest(entry) && entry.request === request);
  }
}

function isOfRequest(entry: LockEntry): boolean {
  return !entry.held && entry.build === 0;
}

function isSameNeed(a: LockNeed, b: LockNeed): boolean {
  return isSameLock(a, b) && a.mode === b.mode && a.count === b.count;
}
