import { step } from "@belfry/testkit";
import type { LogChannel } from "belfry";
import * as assert from "uvu/assert";
import { oneBuilder, type WebWorld, webWorld } from "./world.ts";

/** Where the logs of the first step of the first build of "talks" are. */
export const AT = "/builders/talks/builds/1/steps/1/logs";

export interface LogWorld extends WebWorld {
  /** The numbers of the lines on a page of the first log. */
  numbers(query: string): Promise<number[]>;
  page(query: string): Promise<string>;
}

/** A master with a finished build of "talks", whose step has written some logs, each in parts. */
export async function logWorld(
  ...logs: (readonly (readonly [text: string | Uint8Array, channel?: LogChannel])[])[]
): Promise<LogWorld> {
  const talks = step({
    run: async (ctx) => {
      for (const [i, parts] of logs.entries())
        for (const [text, channel] of parts) await ctx.log(`log ${i + 1}`).write(text, channel);
      return { result: "success" };
    },
  });
  const world = await webWorld({}, oneBuilder("talks", talks));
  await world.build("talks");
  const page = async (query: string) => {
    const { status, body } = await world.get(`${AT}/1${query}`);
    assert.is(status, 200, query);
    return body;
  };
  return {
    ...world,
    page,
    numbers: async (query) => [...(await page(query)).matchAll(/<li id="L(\d+)"/g)].map(([, number]) => Number(number)),
  };
}

export interface TalkingWorld extends WebWorld {
  /** The address of the page of the log. */
  log: string;
  write(text: string): Promise<void>;
  /** Lets the build end. */
  end(): void;
}

/** A master with a build of "talks" that runs, has written something, and writes what it is told. */
export async function talkingWorld(first: string): Promise<TalkingWorld> {
  let write = (_text: string): Promise<void> => Promise.resolve();
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  const talks = step({
    run: async (ctx) => {
      const log = ctx.log("out");
      write = async (text) => void (await log.write(text));
      await log.write(first);
      await ended;
      return { result: "success" };
    },
  });
  const world = await webWorld({}, oneBuilder("talks", talks));
  await world.kit.call("schedulers.force", {});
  await world.kit.event("log.grew");
  return {
    ...world,
    log: `${world.url}${AT}/1`,
    write: (text) => write(text),
    end,
    async [Symbol.asyncDispose]() {
      end();
      await world[Symbol.asyncDispose]();
    },
  };
}

/** Lines that say which they are, from 1 unless some are there already. */
export const numbered = (count: number, already = 0) =>
  Array.from({ length: count }, (_, i) => `line ${already + i + 1}\n`).join("");
