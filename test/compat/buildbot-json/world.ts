import { buildbotJson } from "@belfry/buildbot-json";
import { http } from "@belfry/http";
import { force, singleBranch } from "@belfry/schedulers";
import { fakeWorker, step, type TestMaster, testMaster } from "@belfry/testkit";
import type { BuilderConfig, Config, StepContext, z } from "belfry";
import { httpUrl } from "../../bench/http-url.ts";
import { type Answer, ask } from "../../plugins/http/world.ts";

/** A name with everything that has a meaning somewhere on its way. */
export const ODD = "a/b c\"d'<é>😀 100%";

export interface JsonWorld extends AsyncDisposable {
  kit: TestMaster;
  url: string;
  /** Builds to the end; returns the build's number. */
  build(builder: string, wish?: Record<string, never> | object): Promise<number>;
  /** Forces without waiting; returns the buildset. */
  force(builder: string, wish?: object): Promise<number>;
  /** Lets the builds of "slow" go on. */
  release(): void;
  get(path: string, headers?: Record<string, string>): Promise<Answer>;
  /** What is at a path, parsed; fails unless the status is 200. */
  json(path: string, headers?: Record<string, string>): Promise<any>;
  token(name: string, facts?: object): Promise<Record<string, string>>;
}

const untilAborted = (ctx: StepContext) =>
  new Promise<never>((_, reject) =>
    ctx.signal.addEventListener("abort", () => reject(ctx.signal.reason), { once: true }),
  );

/** A master with builders that end well, badly, not yet and never, over HTTP. */
export async function jsonWorld(
  options: z.input<typeof buildbotJson.definition.options> = {},
  more: Partial<Config> = {},
): Promise<JsonWorld> {
  let release = () => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const compile = step({
    title: "compile",
    run: async (ctx) => {
      await ctx.log("stdio").write("cc main.c\n");
      ctx.properties.set("gotRevision", "abc123");
      return { result: "success", summary: "fine" };
    },
  });
  const breaks = step({ title: "unit tests", run: () => ({ result: "failure", summary: "3 failed" }) });
  const waits = step({
    title: "wait",
    run: async (ctx) => {
      await ctx.log("stdio").write("first\n");
      await Promise.race([gate, untilAborted(ctx)]);
      return { result: "success" };
    },
  });
  const builders: BuilderConfig[] = [
    { name: "runtests", workers: ["w1", "w2"], tags: ["fast", "unit"], project: "open", steps: [compile] },
    { name: "broken", workers: ["w1"], tags: ["unit"], project: "open", steps: [compile, breaks] },
    { name: "slow", workers: ["w2"], project: "open", steps: [compile, waits] },
    { name: ODD, workers: ["w1"], steps: [compile] },
    { name: "secret", workers: ["w1"], tags: ["covert"], project: "hidden", steps: [compile] },
    { name: "never", workers: ["w1"], steps: [compile] },
  ];
  const kit = await testMaster({
    config: {
      title: "World",
      access: { anonymous: "read" },
      services: [http({ port: 0 }), buildbotJson(options)],
      workers: [fakeWorker({ name: "w1" }), fakeWorker({ name: "w2" })],
      schedulers: [
        force({ name: "by hand", builders: builders.map(({ name }) => name) }),
        singleBranch({ name: "main", branch: "main", builders: ["runtests"] }),
      ],
      builders,
      ...more,
    },
  });
  const url = httpUrl(kit.master);
  const force_ = async (builder: string, wish: object = {}) =>
    (await kit.call("schedulers.force", { scheduler: "by hand", builders: [builder], ...wish })).buildset as number;
  const world: JsonWorld = {
    kit,
    url,
    release,
    force: force_,
    async build(builder, wish) {
      await kit.buildsetEnd(await force_(builder, wish));
      return (await kit.call("builds.get", { builder, number: -1 })).number;
    },
    get: (path, headers = {}) => ask(`${url}${path}`, { headers }),
    async json(path, headers) {
      const answer = await world.get(path, headers);
      if (answer.status !== 200) throw new Error(`${path}: status ${answer.status}: ${answer.body}`);
      return JSON.parse(answer.body);
    },
    async token(name, facts = {}) {
      const { token } = await kit.call("tokens.add", { name, scopes: ["read"], ...facts });
      return { authorization: `Bearer ${token}` };
    },
    async [Symbol.asyncDispose]() {
      release();
      await kit.close();
    },
  };
  return world;
}

/** A builder's name as a part of a path. */
export const part = (name: string): string => encodeURIComponent(name);
