import type { Clock } from "../interfaces/clock.ts";
import type { Millis } from "../interfaces/values.ts";
import { carryOut } from "../store/assigning.ts";
import { LockBook } from "../store/lock-book.ts";
import { readLocks } from "../store/locks.ts";
import { nextTimes } from "../store/queue.ts";
import { expireRequests } from "../store/requests.ts";
import type { Store } from "../store/store.ts";
import type { HeldLease } from "../store/tx.ts";
import { Decider, type DistributedConfig } from "./decider.ts";
import { HookKeeper } from "./hooks.ts";
import type { LeaseKeeper } from "./lease-keeper.ts";
import { limitsOf } from "./lock-needs.ts";
import { weighRequests } from "./weighing.ts";
import { lookAround } from "./world.ts";

export const DISTRIBUTOR_LEASE = "distributor";

export interface DistributorDeps {
  store: Store;
  clock: Clock;
  leases: LeaseKeeper;
  /** The running configuration. */
  config(): DistributedConfig;
  generation(): number | null;
}

/** The one decider: gives waiting requests to free workers, the most urgent first, the oldest first among equals. */
export class Distributor {
  readonly #deps: DistributorDeps;
  readonly #hooks: HookKeeper;
  #config: DistributedConfig;
  #builderIds = new Map<string, number>();
  /** What the database has of builders' troubles; unknown before the first pass under a lease. */
  #told: { fence: number; troubles: Map<string, string> } | undefined;

  constructor(deps: DistributorDeps) {
    this.#deps = deps;
    this.#config = deps.config();
    this.#hooks = new HookKeeper(deps.clock, () => deps.store.doorbell.ring("requests"));
  }

  async pass(): Promise<{ wakeAt?: Millis; again?: boolean }> {
    const { store, clock, leases } = this.#deps;
    const lease = await leases.hold(DISTRIBUTOR_LEASE);
    if (!lease) return { wakeAt: clock.now() + leases.ttl / 2 };
    const pending = await store.read
      .selectFrom("build_requests")
      .select("id")
      .where("state", "=", "pending")
      .limit(1)
      .execute();
    if (pending.length === 0) return {};

    const config = this.#deps.config();
    this.#adopt(config);
    const now = clock.now();
    const expired = await expireRequests(store, lease, now);
    const world = await lookAround(store, now, config.builders);
    await this.#findBuilders(config);
    const weighed = await weighRequests(store, lease, config, this.#builderIds, this.#hooks);
    const limits = limitsOf(config.locks);
    // Who holds locks of an earlier configuration is in nobody's way.
    const book = config.locks.size > 0 ? await readLocks(store.read, limits) : new LockBook([], limits);
    const decider = new Decider(store.read, config, world, book, this.#hooks, this.#builderIds, weighed.out);
    const plan = await decider.decide();
    const troubles = await this.#changedTroubles(lease, config);
    const conflict = await carryOut(store, lease, plan, {
      limits,
      generation: this.#deps.generation(),
      troubles,
    });
    for (const [name, trouble] of troubles) {
      if (trouble === null) this.#told?.troubles.delete(name);
      else this.#told?.troubles.set(name, trouble);
    }
    const times = await nextTimes(store.read, now);
    if (plan.wakeAt !== undefined) times.push(plan.wakeAt);
    const again = plan.again || conflict || expired.more || weighed.more;
    return { ...(times.length > 0 ? { wakeAt: Math.min(...times) } : {}), again };
  }

  /** What functions of an earlier configuration said, or failed to say, is nothing to go by. */
  #adopt(config: DistributedConfig): void {
    const before = this.#config;
    if (before === config) return;
    this.#config = config;
    // What locks are needed may depend on the locks and workers as well.
    this.#hooks.drop((name, hook) => hook === "locks" || config.builders.get(name) !== before.builders.get(name));
  }

  async #findBuilders({ builders }: DistributedConfig): Promise<void> {
    if ([...builders.keys()].every((name) => this.#builderIds.has(name))) return;
    const rows = await this.#deps.store.read.selectFrom("builders").select(["id", "name"]).execute();
    this.#builderIds = new Map(rows.map((row) => [row.name, row.id]));
  }

  /** What the database has to be told of functions that fail, or no longer do. */
  async #changedTroubles(lease: HeldLease, { builders }: DistributedConfig): Promise<Map<string, string | null>> {
    if (this.#told?.fence !== lease.fence) {
      const rows = await this.#deps.store.read
        .selectFrom("builders")
        .select(["name", "trouble"])
        .where("trouble", "is not", null)
        .execute();
      this.#told = { fence: lease.fence, troubles: new Map(rows.map((row) => [row.name, row.trouble ?? ""])) };
    }
    const changed = new Map<string, string | null>();
    for (const name of new Set([...builders.keys(), ...this.#told.troubles.keys()])) {
      let trouble = this.#hooks.trouble(name);
      const builder = builders.get(name);
      if (trouble && !(trouble.hook in (builder?.rules ?? {})) && !(trouble.hook === "locks" && builder)) {
        this.#hooks.forget(name);
        trouble = undefined;
      }
      const text = trouble === undefined ? null : JSON.stringify(trouble);
      if (text !== (this.#told.troubles.get(name) ?? null)) changed.set(name, text);
    }
    return changed;
  }
}
