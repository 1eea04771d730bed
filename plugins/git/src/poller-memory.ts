import { type Json, z } from "belfry";

const sha = z.string().regex(/^([0-9a-f]{40}|[0-9a-f]{64})$/);
const pairs = z.array(z.tuple([z.string(), sha]));
const schema = z.object({ filter: z.string().nullable(), heads: pairs, gone: pairs });

const GONE_LIMIT = 200;

/** What a poller remembers between polls; `toJSON` is what is stored. */
export class PollerMemory {
  /** The patterns for which all branches were taken in; `null` before the first poll has ended. */
  filter: string | null = null;
  /** The last reported head of each watched branch. */
  readonly heads = new Map<string, string>();
  /** Where deleted branches ended, so that their commits are not new again; the newest last. */
  readonly gone = new Map<string, string>();

  /** `undefined` if `state` is not what a memory writes. */
  static read(state: Json | undefined): PollerMemory | undefined {
    const memory = new PollerMemory();
    if (state === undefined) return memory;
    const parsed = schema.safeParse(state);
    if (!parsed.success) return undefined;
    memory.filter = parsed.data.filter;
    for (const [branch, head] of parsed.data.heads) memory.heads.set(branch, head);
    for (const [branch, head] of parsed.data.gone) memory.gone.set(branch, head);
    return memory;
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
    return { filter: this.filter, heads: [...this.heads], gone: [...this.gone] };
  }
}
