import type { NewChange, SourceContext } from "belfry";
import type { PollerMemory } from "./poller-memory.ts";

const MAX_CHANGES = 100;
const MAX_SIZE = 1024 * 1024;
/** A memory of more branches is stored once a poll: to write it with each piece would cost more than to look again. */
const MAX_BRANCHES = 500;

/**
 * Gathers changes and reports them in pieces of bounded size, each with what the memory holds by
 * then. Settle a branch in the memory after its last change was added: a piece that is stored then
 * never tells of changes that are not.
 */
export class ChangeBatch {
  readonly #ctx: SourceContext;
  readonly #memory: PollerMemory;
  #changes: NewChange[] = [];
  #size = 0;

  constructor(ctx: SourceContext, memory: PollerMemory) {
    this.#ctx = ctx;
    this.#memory = memory;
  }

  async add(change: NewChange): Promise<void> {
    if (this.#changes.length >= MAX_CHANGES || this.#size >= MAX_SIZE) {
      await this.#report(this.#memory.heads.size + this.#memory.tags.size <= MAX_BRANCHES);
    }
    this.#changes.push(change);
    this.#size += change.comments.length;
    for (const file of change.files) this.#size += file.length;
  }

  /** Reports what is left, and the memory even if nothing is. */
  async flush(): Promise<void> {
    await this.#report(true);
  }

  async #report(withMemory: boolean): Promise<void> {
    const changes = this.#changes;
    this.#changes = [];
    this.#size = 0;
    await this.#ctx.report(changes, withMemory ? this.#memory.toJSON() : undefined);
  }
}
