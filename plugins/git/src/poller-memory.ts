import type { Json } from "belfry";
import { isHash } from "./ref-name.ts";

const GONE_LIMIT = 200;

/** What a poller remembers between polls; `toJSON` is what is stored. */
export class PollerMemory {
  /** The patterns for which all branches were taken in; `null` before the first poll has ended. */
  filter: string | null = null;
  /** The last reported head of each watched branch. */
  readonly heads = new Map<string, string>();
  /** Where deleted branches ended, so that their commits are not new again; the newest last. */
  readonly gone = new Map<string, string>();

  /** The patterns for which all tags were taken in; `null` while tags are not watched. */
  tagFilter: string | null = null;
  /** The commit of each watched tag. */
  readonly tags = new Map<string, string>();
  /** Pushes told so far, where each has a key of its own. */
  pushes = 0;

  /** `undefined` if `state` is not what a memory writes. */
  static read(state: Json | undefined): PollerMemory | undefined {
    const memory = new PollerMemory();
    if (state === undefined) return memory;
    if (typeof state !== "object" || state === null || Array.isArray(state)) return undefined;
    const { filter, heads, gone } = state;
    if (filter !== null && typeof filter !== "string") return undefined;
    memory.filter = filter;
    // Not there in what was written before tags were watched.
    const { tagFilter = null, tags = [], pushes = 0 } = state;
    if ((tagFilter !== null && typeof tagFilter !== "string") || typeof pushes !== "number") return undefined;
    memory.tagFilter = tagFilter;
    memory.pushes = pushes;
    const isRead = readPairs(heads, memory.heads) && readPairs(gone, memory.gone) && readPairs(tags, memory.tags);
    return isRead ? memory : undefined;
  }

  settle(branch: string, head: string): void {
    this.heads.set(branch, head);
    this.gone.delete(branch);
  }

  drop(branch: string): void {
    const head = this.heads.get(branch);
    if (head === undefined) return;
    this.heads.delete(branch);
    this.gone.delete(branch);
    this.gone.set(branch, head);
    for (const oldest of this.gone.keys()) {
      if (this.gone.size <= GONE_LIMIT) break;
      this.gone.delete(oldest);
    }
  }

  toJSON(): Json {
    return {
      filter: this.filter,
      heads: [...this.heads],
      gone: [...this.gone],
      ...(this.tagFilter === null ? {} : { tagFilter: this.tagFilter, tags: [...this.tags] }),
      ...(this.pushes === 0 ? {} : { pushes: this.pushes }),
    };
  }
}

/** By hand, since thousands of branches are read in every poll. */
function readPairs(value: Json | undefined, into: Map<string, string>): boolean {
  if (!Array.isArray(value)) return false;
  for (const pair of value) {
    if (!Array.isArray(pair) || pair.length !== 2) return false;
    const [branch, head] = pair;
    if (typeof branch !== "string" || typeof head !== "string" || !isHash(head)) return false;
    into.set(branch, head);
  }
  return true;
}
