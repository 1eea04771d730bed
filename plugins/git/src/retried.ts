import { BelfryError, type StepContext, sleep } from "belfry";
import type { RemoteOptions } from "./remote-options.ts";

/** Attempts again while the repository cannot be reached, as often as told. */
export async function retried<T>(given: RemoteOptions, ctx: StepContext, attempt: () => Promise<T>): Promise<T> {
  for (let left = given.retries; ; left--) {
    try {
      return await attempt();
    } catch (error) {
      ctx.signal.throwIfAborted();
      const isPassing = BelfryError.is(error) && ["BELFRY_GIT_UNREACHABLE", "BELFRY_GIT_TIMEOUT"].includes(error.code);
      if (BelfryError.is(error)) await say(ctx, `${error.message}\n`);
      if (!isPassing || left <= 0) throw error;
      await say(ctx, `Next attempt in ${given.retryDelay / 1_000} s; ${left} left.\n`);
      ctx.progress("waiting for the repository");
      await sleep(ctx.clock, given.retryDelay, ctx.signal);
    }
  }
}

export async function say(ctx: StepContext, text: string): Promise<void> {
  await ctx.log("stdio").write(text, "header");
}
