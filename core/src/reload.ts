import type { CoreApi } from "./api/core-api.ts";
import { type Difference, difference, type Reloaded } from "./config/difference.ts";
import { type Generation, generationInPieces } from "./config/generation.ts";
import type { MakeContext } from "./config/parts.ts";
import type { Engine } from "./engine/engine.ts";
import type { ServiceKeeper } from "./engine/service-keeper.ts";
import { BelfryError, messageOf } from "./errors/belfry-error.ts";
import { faults } from "./errors/catalogue.ts";
import type { Logger } from "./interfaces/logger.ts";
import { Registry, type Shelf } from "./plugins/registry.ts";
import type { Tx } from "./store/tx.ts";

/** A configuration as it was loaded for one generation. */
export interface LoadedConfig {
  value: unknown;
  /** A hash of the local modules it came from. Functions count as changed when it is another one. */
  code?: string | undefined;
  /** Called when the generation is over, or was refused. */
  release?(): void;
}

/** What a reload works on. */
export interface Reloadable {
  load: (() => Promise<LoadedConfig>) | undefined;
  shelf: Shelf;
  context(registry: Registry): MakeContext;
  running(): { generation: Generation; registry: Registry };
  api: CoreApi;
  engine(): Engine | undefined;
  services: ServiceKeeper;
  /** Writes a generation down, with what the engine has to write. */
  record(next: Generation, changed: boolean, also?: (tx: Tx) => Promise<void>): Promise<number>;
  refused(error: unknown): Promise<void>;
  /** From now on this is the running generation. */
  adopt(next: { generation: Generation; registry: Registry; id: number }): void;
  generationId(): number;
  logger: Logger;
}

interface Made {
  generation: Generation;
  registry: Registry;
  release: (() => void) | undefined;
  items: Difference[];
}

/** Milliseconds that making a generation may hold the event loop at a time. */
const PIECE = 8;

/** Goes from one generation of the configuration to the next, while the master runs. */
export class Reloader {
  readonly #master: Reloadable;
  #release: (() => void) | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  /** The part of a reload that changes what runs. */
  #applying: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(master: Reloadable, release: (() => void) | undefined) {
    this.#master = master;
    this.#release = release;
  }

  /** What a reload would change. Throws what it would refuse with, but for what shows only when parts start. */
  plan(): Promise<Difference[]> {
    return this.#inTurn(async () => {
      const { release, items } = await this.#make();
      release?.();
      return items;
    });
  }

  /** Loads, checks and goes over. Throws with all faults if it is refused; then everything goes on as it was. */
  reload(): Promise<Reloaded> {
    return this.#inTurn(async () => {
      try {
        return await this.#reload();
      } catch (error) {
        if (!this.#closed) await this.#master.refused(error);
        throw error;
      }
    });
  }

  /** No reload changes anything from now on; resolves when the one that does is through. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#applying;
  }

  async #reload(): Promise<Reloaded> {
    const made = await this.#make();
    if (this.#closed) {
      made.release?.();
      throw faults.masterStopping();
    }
    const applied = this.#apply(made);
    this.#applying = applied.catch(() => undefined);
    return applied;
  }

  async #apply({ generation, registry, release, items }: Made): Promise<Reloaded> {
    const { api, services, engine, shelf, running, logger } = this.#master;
    const before = running();
    try {
      const restart = items.filter((item) => item.effect === "needs-restart");
      if (restart.length > 0) throw faults.reloadNeedsRestart(restart.map(({ name }) => name));
      api.checkPlugins(registry);
      shelf.inForce = registry;
      api.usePlugins(registry);
      const changed = await services
        .change(generation.services, registry.sharesOtherThan(before.registry))
        .catch((error) => {
          throw BelfryError.is(error) ? error : faults.reloadFailed(messageOf(error), error);
        });
      let id = 0;
      const record = async (also?: (tx: Tx) => Promise<void>) => {
        id = await this.#master.record(generation, items.length > 0, also);
        return id;
      };
      try {
        await (engine()?.change(generation, record) ?? record());
      } catch (error) {
        await changed.undo();
        throw error;
      }
      this.#master.adopt({ generation, registry, id });
    } catch (error) {
      shelf.inForce = before.registry;
      api.usePlugins(before.registry);
      release?.();
      throw error;
    }
    this.#release?.();
    this.#release = release;
    logger.info(
      { generation: this.#master.generationId(), changes: items.length },
      "the configuration was loaded again",
    );
    return { generation: this.#master.generationId(), items, draining: engine()?.workers.draining ?? [] };
  }

  async #make(): Promise<Made> {
    const { load, shelf, running, context } = this.#master;
    if (!load) throw faults.reloadImpossible();
    const { value, code, release } = await load();
    const before = running();
    try {
      const sameCode = code !== undefined && code === before.generation.code;
      const registry = new Registry(shelf, { registry: before.registry, sameCode });
      const making = generationInPieces(value, registry, {
        context: context(registry),
        code,
        before: before.generation,
      });
      let piece: IteratorResult<void, Generation>;
      do {
        await new Promise((resolve) => setImmediate(resolve));
        // What is made may look for what plugins share; whoever runs meanwhile must not see it.
        shelf.inForce = registry;
        const deadline = performance.now() + PIECE;
        try {
          do piece = making.next();
          while (!piece.done && performance.now() < deadline);
        } finally {
          shelf.inForce = before.registry;
        }
      } while (!piece.done);
      registry.settle();
      await new Promise((resolve) => setImmediate(resolve));
      const items = difference(before.generation, piece.value);
      return { generation: piece.value, registry, release, items };
    } catch (error) {
      release?.();
      throw error;
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#turn.then(work);
    this.#turn = next.catch(() => undefined);
    return next;
  }
}
