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
    await Promise.all(workers.map((worker) => this.#start(worker)));
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
    await this.#write(worker, true);
  }

  /** Writes all rows anew. */
  async announce(): Promise<void> {
    for (const worker of this.#started) await this.#write(worker, worker.part.connected);
  }

  #changed(worker: Part<"worker">): void {
    const before = this.#writes.get(worker.name) ?? Promise.resolve();
    const next = before
      .then(() => this.#write(worker, worker.part.connected))
      .catch((error) => this.#deps.note(worker.name, `its state could not be written: ${messageOf(error)}`, error));
    this.#writes.set(worker.name, next);
  }

  async #write(worker: Part<"worker">, connected: boolean): Promise<void> {
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
      await tx.db
        .insertInto("workers")
        .values({ name: worker.name, ...facts })
        .onConflict((conflict) => conflict.column("name").doUpdateSet(facts))
        .execute();
      if ((known?.connected ?? 0) !== facts.connected)
        tx.event(connected ? "worker.connected" : "worker.disconnected", { worker: worker.name, slots });
      tx.ring("requests");
    });
  }

  async stop(): Promise<void> {
    this.#abort.abort(new Error("the master stops"));
    const ended = await Promise.allSettled(
      this.#started.map(async (worker) => {
        await worker.part.stop();
        await this.#writes.get(worker.name);
        await this.#write(worker, false);
      }),
    );
    const failures = ended.filter((end) => end.status === "rejected").map((end) => end.reason);
    if (failures.length > 0) throw new AggregateError(failures, "some workers did not stop cleanly");
  }
}
