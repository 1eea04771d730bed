import { step, until } from "@belfry/testkit";
import type { Entry, StepContext, StepFlags } from "belfry";

export interface AtGate {
  builder: string;
  number: number;
  request: number;
  worker: string;
  step: string;
  open(): void;
}

/** Steps that stay in their place till the test lets them go on. */
export class Gates {
  readonly #inside: AtGate[] = [];
  /** Everything that ever came in, in order. */
  readonly entered: string[] = [];

  step(title = "gate", flags: StepFlags = {}): Entry<"step"> {
    return step({ ...flags, title, run: (ctx) => this.#wait(title, ctx) });
  }

  async #wait(title: string, ctx: StepContext): Promise<{ result: "success" }> {
    const { builder, number, requestId: request, worker } = ctx.build;
    this.entered.push(`${builder} ${title}`);
    await new Promise<void>((resolve, reject) => {
      const here = { builder, number, request, worker, step: title, open: () => leave(resolve) };
      const leave = (then: () => void) => {
        this.#inside.splice(this.#inside.indexOf(here), 1);
        then();
      };
      this.#inside.push(here);
      ctx.signal.addEventListener("abort", () => leave(() => reject(ctx.signal.reason)), { once: true });
    });
    return { result: "success" };
  }

  /** What is inside now, as `builder step`. */
  get inside(): string[] {
    return this.#inside.map(({ builder, step }) => `${builder} ${step}`).sort();
  }

  get all(): readonly AtGate[] {
    return this.#inside;
  }

  /** Resolves when exactly these are inside. */
  until(...names: string[]): Promise<void> {
    const wanted = [...names].sort().join();
    return until(() => this.inside.join() === wanted, `inside: ${wanted}`);
  }

  /** Lets one go on, once it is there. */
  async open(name: string): Promise<void> {
    await until(() => this.inside.includes(name), name);
    this.#inside.find(({ builder, step }) => `${builder} ${step}` === name)?.open();
  }
}
