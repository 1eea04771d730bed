import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { ConfiguredWorker } from "../config/generation.ts";
import { BelfryError, messageOf } from "../errors/belfry-error.ts";
import { faults } from "../errors/catalogue.ts";
import type { Clock, Timer } from "../interfaces/clock.ts";
import type { Worker } from "../interfaces/worker.ts";
import type { Store } from "../store/store.ts";
import { withGrace } from "./grace.ts";
import { backOff } from "./loop.ts";

/** For a worker to let go of what it keeps. */
const DETACH_MILLIS = 20_000;

export interface WorkerKeeperDeps {
  store: Store;
  clock: Clock;
  masterId: number;
  folder: string;
  workers: readonly ConfiguredWorker[];
  note(worker: string, message: string, error?: unknown): void;
  /** Resolves when no build runs on this worker. */
  idle(worker: Worker): Promise<void>;
}

/** One worker of one generation, from its start to its stop. */
interface Life {
  readonly worker: ConfiguredWorker;
  readonly abort: AbortController;
  /** True once it takes no more builds. */
  withdrawn: boolean;
  /** True once the last of its builds has ended. */
  over: boolean;
}

/** Starts this master's workers and keeps their rows true. */
export class WorkerKeeper {
  readonly #deps: WorkerKeeperDeps;
  /** The workers of the running generation. */
  #wanted: readonly ConfiguredWorker[];
  /** Those that run, by name; of one name there is one at a time. */
  readonly #lives = new Map<string, Life>();
  readonly #writes = new Map<string, Promise<void>>();
  readonly #changes = new Map<string, Promise<void>>();
  readonly #pauses = new Set<{ timer: Timer; end(): void }>();
  #withdrawn = false;
  #stopped = false;

  constructor(deps: WorkerKeeperDeps) {
    this.#deps = deps;
    this.#wanted = deps.workers;
  }

  get workers(): readonly ConfiguredWorker[] {
    return this.#wanted;
  }

  /** Names of workers that end, or are replaced, as soon as their builds have ended. */
  get draining(): string[] {
    return [...this.#lives.values()].filter((life) => life.withdrawn).map((life) => life.worker.name);
  }

  /** The worker that takes, or still has, the builds of this name. */
  get(name: string): ConfiguredWorker | undefined {
    const life = this.#lives.get(name);
    return life?.over ? undefined : life?.worker;
  }

  async start(): Promise<void> {
    const { store, masterId } = this.#deps;
    await store.write(async (tx) => {
      const names = this.#wanted.map((worker) => worker.name);
      await tx.db
        .deleteFrom("workers")
        .where("master_id", "=", masterId)
        .$if(names.length > 0, (query) => query.where("name", "not in", names))
        .execute();
    });
    const begun = await Promise.allSettled(this.#wanted.map((worker) => this.#start(worker)));
    // All of them have settled, so that `stop` knows every worker that runs.
    for (const start of begun) if (start.status === "rejected") throw start.reason;
  }

  /** Starts workers whose names are new, before anybody relies on them. If one cannot start, none of them runs. */
  async add(workers: readonly ConfiguredWorker[]): Promise<{ undo(): Promise<void> }> {
    const fresh = workers.filter(({ name }) => !this.#lives.has(name) && !this.#changes.has(name));
    const undo = async () => {
      for (const { name, part } of fresh) if (this.#lives.get(name)?.worker.part === part) await this.#end(name);
    };
    const begun = await Promise.allSettled(fresh.map((worker) => this.#start(worker)));
    for (const start of begun) {
      if (start.status === "fulfilled") continue;
      await undo();
      throw BelfryError.is(start.reason) ? start.reason : faults.reloadFailed(messageOf(start.reason), start.reason);
    }
    return { undo };
  }

  /**
   * Goes over to the workers of another generation. Those that are gone or different take no more builds; each of
   * them ends when its builds have ended, and only then the one that takes its place starts. Does not wait for that.
   */
  change(workers: readonly ConfiguredWorker[]): void {
    this.#wanted = workers;
    for (const name of new Set([...this.#lives.keys(), ...workers.map((worker) => worker.name)])) {
      if (this.#changes.has(name)) continue;
      const changing = this.#settle(name)
        .catch((error) => this.#deps.note(name, `it could not be replaced: ${messageOf(error)}`, error))
        .finally(() => this.#changes.delete(name));
      this.#changes.set(name, changing);
    }
  }

  /** Brings what runs under a name to what is wanted there. */
  async #settle(name: string): Promise<void> {
    for (let failures = 0; !this.#stopped; ) {
      const wanted = this.#wanted.find((worker) => worker.name === name);
      const life = this.#lives.get(name);
      if (life && life.worker.part === wanted?.part) return;
      if (life) {
        life.withdrawn = true;
        await this.#write(name);
        await this.#deps.idle(life.worker.part);
        if (this.#stopped) return;
        await this.#end(name);
      } else if (!wanted) {
        return this.#forget(name);
      } else {
        try {
          await this.#start(wanted);
        } catch (error) {
          failures += 1;
          this.#deps.note(name, `it cannot start, and is tried again: ${messageOf(error)}`, error);
          await this.#pause(backOff(failures, 1_000));
        }
      }
    }
  }

  async #start(worker: ConfiguredWorker): Promise<void> {
    const { name } = worker;
    const folder = join(this.#deps.folder, encodeURIComponent(name));
    await mkdir(folder, { recursive: true });
    const life: Life = { worker, abort: new AbortController(), withdrawn: false, over: false };
    const isThis = () => this.#lives.get(name) === life;
    await worker.part.start({
      signal: life.abort.signal,
      folder,
      changed: () => {
        if (isThis()) this.#changed(name);
      },
      note: (message) => this.#deps.note(name, message),
    });
    this.#lives.set(name, life);
    await this.#write(name);
  }

  async #end(name: string): Promise<void> {
    const life = this.#lives.get(name);
    if (!life) return;
    life.withdrawn = true;
    life.over = true;
    life.abort.abort(new Error("it is no longer configured like this"));
    try {
      await life.worker.part.stop();
    } finally {
      await this.#write(name);
      this.#lives.delete(name);
    }
  }

  async #forget(name: string): Promise<void> {
    const { store, masterId } = this.#deps;
    await store.write(async (tx) => {
      await tx.db.deleteFrom("workers").where("name", "=", name).where("master_id", "=", masterId).execute();
      tx.ring("requests");
    });
  }

  #pause(millis: number): Promise<void> {
    return new Promise((resolve) => {
      const pause = {
        timer: this.#deps.clock.setTimer(millis, () => pause.end()),
        end: () => {
          pause.timer.cancel();
          this.#pauses.delete(pause);
          resolve();
        },
      };
      this.#pauses.add(pause);
    });
  }

  /** Writes all rows anew. */
  async announce(): Promise<void> {
    for (const name of [...this.#lives.keys()]) await this.#write(name);
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
    for (const row of rows) if (this.#lives.has(row.name) && (await lost(row.master_id))) await this.#write(row.name);
  }

  /** From now on all workers count as gone, so that no master gives them another build. What they build goes on. */
  async withdraw(): Promise<void> {
    this.#withdrawn = true;
    await this.announce();
  }

  #changed(name: string): void {
    this.#write(name).catch((error) =>
      this.#deps.note(name, `its state could not be written: ${messageOf(error)}`, error),
    );
  }

  /** Writes what is true when its turn comes: one after the other, so that the last one stands. */
  #write(name: string): Promise<void> {
    const before = this.#writes.get(name) ?? Promise.resolve();
    const next = before.then(async () => {
      const life = this.#lives.get(name);
      if (life) await this.#writeNow(life.worker, life.worker.part.connected && !this.#withdrawn && !life.withdrawn);
    });
    const settled = next
      .catch(() => undefined)
      .then(() => {
        if (this.#writes.get(name) === settled) this.#writes.delete(name);
      });
    this.#writes.set(name, settled);
    return next;
  }

  async #writeNow(worker: ConfiguredWorker, connected: boolean): Promise<void> {
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

  /** With `keeps`, workers that it is true for, and that can, keep their commands for the next life of the master. */
  async stop(kept?: { keeps(worker: Worker): boolean; keepFor: number }): Promise<void> {
    this.#stopped = true;
    this.#withdrawn = true;
    for (const pause of [...this.#pauses]) pause.end();
    for (const { abort } of this.#lives.values()) abort.abort(new Error("the master stops"));
    await Promise.all(this.#changes.values());
    const tooLong = AbortSignal.abort(new Error(`it did not let go within ${DETACH_MILLIS / 1_000} seconds`));
    const ended = await Promise.allSettled(
      [...this.#lives.values()].map(async ({ worker }) => {
        try {
          if (kept?.keeps(worker.part) && worker.part.detach)
            await withGrace(worker.part.detach({ keepFor: kept.keepFor }), tooLong, DETACH_MILLIS);
          else await worker.part.stop();
        } finally {
          await this.#write(worker.name);
        }
      }),
    );
    const failures = ended.filter((end) => end.status === "rejected").map((end) => end.reason);
    if (failures.length > 0) throw new AggregateError(failures, "some workers did not stop cleanly");
  }
}
