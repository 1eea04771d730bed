import type { Part } from "../config/generation.ts";
import type { Logger } from "../interfaces/logger.ts";

/** The services of a master: started in the order of the configuration, stopped in reverse. */
export class ServiceKeeper {
  readonly #logger: Logger;
  readonly #signal: AbortSignal;
  readonly #role: "all" | "engine" | "api";
  #running: Part<"service">[] = [];

  constructor(logger: Logger, signal: AbortSignal, role: "all" | "engine" | "api" = "all") {
    this.#role = role;
    this.#logger = logger;
    this.#signal = signal;
  }

  async start(services: readonly Part<"service">[]): Promise<void> {
    for (const service of this.#own(services)) {
      await service.part.start(this.#signal);
      this.#running.push(service);
    }
  }

  /**
   * Goes over to other services: stops those that are not among the new ones, and starts those that do not run
   * yet; `all` stops and starts every one. If one cannot start, everything is put back as it was, and its reason
   * is thrown.
   */
  async change(wanted: readonly Part<"service">[], all: boolean): Promise<{ undo(): Promise<void> }> {
    const before = this.#running;
    const next = this.#own(wanted);
    const stays = (service: Part<"service">, among: readonly Part<"service">[]) =>
      !all && among.some((other) => other.part === service.part);
    const leaving = before.filter((service) => !stays(service, next));
    const coming = next.filter((service) => !stays(service, before));
    const staying = next.filter((service) => stays(service, before));
    await this.#stop(leaving);
    const begun: Part<"service">[] = [];
    const undo = async () => {
      await this.#stop(begun);
      this.#running = before.filter((service) => !leaving.includes(service));
      for (const service of leaving) {
        try {
          await service.part.start(this.#signal);
          this.#running = before.filter((one) => one === service || this.#running.includes(one));
        } catch (err) {
          this.#logger.error({ err, service: service.kind }, "could not be started again after a reload was refused");
        }
      }
    };
    try {
      for (const service of coming) {
        await service.part.start(this.#signal);
        begun.push(service);
      }
    } catch (error) {
      await undo();
      throw error;
    }
    this.#running = next.filter((service) => begun.includes(service) || staying.includes(service));
    return { undo };
  }

  /** Those that belong to this process. */
  #own(services: readonly Part<"service">[]): readonly Part<"service">[] {
    if (this.#role === "all") return services;
    return services.filter(({ part }) => (part.role ?? "engine") === this.#role);
  }

  /** What to tell of those that run. */
  describe(): string[] {
    return this.#running.flatMap(({ part }) => part.describe?.() ?? []);
  }

  async stop(): Promise<void> {
    const failures = await this.#stop(this.#running.splice(0));
    if (failures.length > 0) throw new AggregateError(failures, "some services did not stop cleanly");
  }

  async #stop(services: readonly Part<"service">[]): Promise<unknown[]> {
    const failures: unknown[] = [];
    for (const service of [...services].reverse()) {
      try {
        await service.part.stop();
      } catch (err) {
        this.#logger.error({ err, part: service.kind }, "could not be stopped cleanly");
        failures.push(err);
      }
    }
    return failures;
  }
}
