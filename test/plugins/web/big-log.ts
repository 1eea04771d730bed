import { step } from "@belfry/testkit";
import { oneBuilder, type WebWorld, webWorld } from "./world.ts";

export const LINES = 1_000_000;
/** Lines, counted from 1, that have the word "needle", and such that name an error. */
export const NEEDLES = [500_000, 500_001, 999_999];
export const ERRORS = [70_000, 500_100, 900_000];
const AT_ONCE = 10_000;

/** A line, counted from 1: 100 characters with its line feed. */
export function lineOf(number: number): string {
  if (ERRORS.includes(number))
    return `src/part.c:${number}:7: error: expected ';' before '}' token${" ".repeat(50)}`.slice(0, 99);
  const word = NEEDLES.includes(number) ? "needle" : "module";
  const colour = number % 5 === 0 ? "\u001b[32mok\u001b[0m" : "was compiled";
  return `[${number}] src/part-${number % 97}/${word}-${(number * 7919) % 10_007}.ts ${colour} `.padEnd(99, "=");
}

/** A master with a finished build of "big", whose log has a million lines and 100 MB. */
export async function bigLogWorld(): Promise<WebWorld & { log: string }> {
  const prints = step({
    run: async (ctx) => {
      const log = ctx.log("out");
      for (let done = 0; done < LINES; done += AT_ONCE)
        await log.write(Array.from({ length: AT_ONCE }, (_, i) => `${lineOf(done + i + 1)}\n`).join(""));
      return { result: "success" };
    },
  });
  const world = await webWorld({}, oneBuilder("big", prints));
  const { buildset } = await world.kit.call("schedulers.force", {});
  await world.kit.buildsetEnd(buildset, 120_000);
  return Object.assign(world, { log: `${world.url}/builders/big/builds/1/steps/1/logs/1` });
}
