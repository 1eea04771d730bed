import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Part } from "../config/generation.ts";
import { messageOf } from "../errors/belfry-error.ts";
import type { Clock } from "../interfaces/clock.ts";
import type { Store } from "../store/store.ts";

export interface WorkerKeeperDeps {
  store: Store;
  clock: Clock;
  masterId: number;
  folder: string;
  workers: readonly Part<"worker">[];
  note(worker: string, message: string, error?: unknown): void;
}

/** Starts this master's workers and keeps their rows true. */
export class WorkerKeeper {
  readonly #deps: WorkerKeeperDeps;
  readonly #abort = new AbortController();
  readonly #started: Part<"worker">[] = [];
  readonly #writes = new Map<string, Promise<void>>();
  #withdrawn = false;

  constructor(deps: WorkerKeeperDeps) {
    this.#deps = deps;
  }

  get workers(): readonly Part<"worker">[] {
    return this.#deps.workers;
  }

  get(name: string): Part<"worker"> | undefined {
    return this.#deps.workers.find((worker) => worker.name === name);
  }

  async start(): Promise<void> {
    const { store, masterId, workers } = this.#deps;
    await store.write(async (tx) => {
      const names = workers.map((worker) => worker.name);
      await tx.db
        .deleteFrom("workers")
        .where("master_id", "=", masterId)
        .$if(names.length > 0, (query) => query.where("name", "not in", names))
        .execute();
    });
    const begun = await Promise.allSettled(workers.map((worker) => this.#start(worker)));
    // All of them have settled, so that `stop` knows every worker that runs.
    for (const start of begun) if (start.status === "rejected") throw start.reason;
  }

  async #start(worker: Part<"worker">): Promise<void> {
    const folder = join(this.#deps.folder, encodeURIComponent(worker.name));
    await mkdir(folder, { recursive: true });
    await worker.part.start({
      signal: this.#abort.signal,
      folder,
      changed: () => this.#changed(worker),
      note: (message) => this.#deps.note(worker.name, message),
    });
    this.#started.push(worker);
    await this.#write(worker);
  }

  /** Writes all rows anew. */
  async announce(): Promise<void> {
    for (const worker of this.#started) await this.#write(worker);
  }

  /**
   * Announces workers whose row says that another master has them which is lost. Masters of one
   * configuration have workers of the same names; the last one to start has the rows.
   */
  async reclaim(lost: (masterId: number) => Promise<boolean>): Promise<void> {
    const { store, masterId } = this.#deps;
    const rows = await store.read
      .selectFrom("workers")
      .select(["name", "master_id"])
      .where("master_id", "!=", masterId)
      .execute();
    for (const row of rows) {
      const own = this.#started.find((worker) => worker.name === row.name);
      if (own && (await lost(row.master_id))) await this.#write(own);
    }
  }

  /** From now on all workers count as gone, so that no master gives them another build. What they build goes on. */
  async withdraw(): Promise<void> {
    this.#withdrawn = true;
    await this.announce();
  }

  #changed(worker: Part<"worker">): void {
    this.#write(worker).catch((error) =>
      this.#deps.note(worker.name, `its state could not be written: ${messageOf(error)}`, error),
    );
  }

  /** Writes what is true when its turn comes: one after the other, so that the last one stands. */
  #write(worker: Part<"worker">): Promise<void> {
    const before = this.#writes.get(worker.name) ?? Promise.resolve();
    const next = before.then(() => this.#writeNow(worker, worker.part.connected && !this.#withdrawn));
    this.#writes.set(
      worker.name,
      next.catch(() => undefined),
    );
    return next;
  }

  async #writeNow(worker: Part<"worker">, connected: boolean): Promise<void> {
    const { store, masterId } = this.#deps;
    const { slots, info } = worker.part;
    await store.write(async (tx) => {
      const known = await tx.db
        .selectFrom("workers")
        .select("connected")
        .where("name", "=", worker.name)
        .executeTakeFirst();
      const facts = {
        master_id: masterId,
        connected: connected ? 1 : 0,
        slots,
        info: JSON.stringify(info),
        seen_at: tx.now,
      };
      // A master to which it is not connected knows nothing of it while it is to another one.
      const written = await tx.db
        .insertInto("workers")
        .values({ name: worker.name, ...facts })
        .onConflict((conflict) => {
          const update = conflict.column("name").doUpdateSet(facts);
          if (connected) return update;
          return update.where((eb) => eb.or([eb("workers.connected", "=", 0), eb("workers.master_id", "=", masterId)]));
        })
        .returning("name")
        .executeTakeFirst();
      if (!written) return;
      if ((known?.connected ?? 0) !== facts.connected)
        tx.event(connected ? "worker.connected" : "worker.disconnected", { worker: worker.name, slots });
      tx.ring("requests");
    });
  }

  async stop(): Promise<void> {
    this.#abort.abort(new Error("the master stops"));
    this.#withdrawn = true;
    const ended = await Promise.allSettled(
      this.#started.map(async (worker) => {
        try {
          await worker.part.stop();
        } finally {
          await this.#write(worker);
        }
      }),
    );
    const failures = ended.filter((end) => end.status === "rejected").map((end) => end.reason);
    if (failures.length > 0) throw new AggregateError(failures, "some workers did not stop cleanly");
  }
}
