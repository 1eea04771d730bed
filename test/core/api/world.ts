import { force } from "@belfry/schedulers";
import { fakeWorker, listener, scheduler, source, step, type TestMaster, testMaster, until } from "@belfry/testkit";
import type { Caller, Config, Json, StepContext } from "belfry";
import type { TestDatabase } from "../databases.ts";

/** A master with something of everything: builds that ended, one that runs, requests that wait, in two projects. */
export interface ApiWorld extends AsyncDisposable {
  kit: TestMaster;
  /** Lets what runs go on to its end. */
  release(): void;
  seen: { build: number; request: number; buildset: number; change: number };
  hidden: { build: number; request: number; buildset: number; change: number };
  /** Of the builder "running": the build that runs and a request that waits behind it. */
  running: { build: number; request: number; waiting: number };
}

const untilAborted = (ctx: StepContext) =>
  new Promise<never>((_, reject) =>
    ctx.signal.addEventListener("abort", () => reject(ctx.signal.reason), { once: true }),
  );

export async function apiWorld(database: TestDatabase, more: Partial<Config> = {}): Promise<ApiWorld> {
  let release = () => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const work = step({
    title: "work",
    run: async (ctx) => {
      await ctx.log("stdio").write("one\ntwo\nthree\n");
      await ctx.worker.run({ command: ["true"] });
      ctx.properties.set("p", { a: [1, null, "x"] });
      ctx.link("report", "https://example.org/report");
      ctx.statistic("tests", 3);
      ctx.buildData("facts", { of: ctx.build.builder });
      return { result: "success", summary: "fine" };
    },
  });
  const breaks = step({
    title: "breaks",
    run: () => {
      throw new Error("it broke");
    },
    flunkOnFailure: false,
    haltOnFailure: false,
  });
  const waits = step({
    title: "waits",
    run: async (ctx) => {
      await ctx.log("stdio").write("first\n");
      await Promise.race([gate, untilAborted(ctx)]);
      await ctx.log("stdio").write("last\n");
      return { result: "success" };
    },
  });
  const kit = await testMaster({
    config: {
      database: database.entry,
      title: "World",
      access: { anonymous: "read" },
      workers: [fakeWorker({ name: "w" }), fakeWorker({ name: "w2" })],
      sources: [
        source({ name: "poller", source: { pollInterval: 3_600_000, poll: async () => undefined } }),
        source({
          name: "broken",
          source: {
            pollInterval: 3_600_000,
            poll: async () => {
              throw new Error("no");
            },
          },
        }),
      ],
      schedulers: [
        force({ name: "open-force", builders: ["open", "running"] }),
        force({ name: "mixed-force", builders: ["open", "covert"] }),
        force({ name: "covert-force", builders: ["covert"], project: "hidden" }),
        scheduler({
          name: "failing",
          scheduler: { builders: ["covert"], process: async () => Promise.reject(new Error("no")) },
        }),
      ],
      listeners: [
        listener({
          name: "deaf",
          listener: { types: ["change."], attempts: 1, handle: async () => Promise.reject(new Error("no")) },
        }),
      ],
      builders: [
        { name: "open", project: "public", tags: ["fast"], description: "d", workers: ["w"], steps: [work, breaks] },
        { name: "covert", project: "hidden", tags: ["slow"], workers: ["w"], steps: [work] },
        { name: "running", project: "public", workers: ["w2"], steps: [waits] },
      ],
      ...more,
    },
  });
  const built = async (name: string, builder: string, project: string) => {
    const change = await kit.addChange({ key: `change of ${project}`, project, branch: "main", revision: project });
    const { buildset, requests } = await kit.call("schedulers.force", {
      scheduler: name,
      builders: [builder],
      reason: `a reason of ${project}`,
      branch: "main",
      revision: project,
      properties: { of: project },
    });
    await kit.buildsetEnd(buildset);
    const request = requests[0].id;
    const { builds } = await kit.call("requests.get", { request });
    return { build: builds[0] as number, request: request as number, buildset: buildset as number, change };
  };
  try {
    const seen = await built("open-force", "open", "public");
    const hidden = await built("covert-force", "covert", "hidden");
    const params: Json = { scheduler: "open-force", builders: ["running"] };
    const first = await kit.call("schedulers.force", params);
    const second = await kit.call("schedulers.force", params);
    const request = first.requests[0].id;
    let build = 0;
    await until(async () => {
      build = (await kit.call("requests.get", { request })).builds[0] ?? 0;
      if (build === 0) return false;
      const { items } = await kit.call("logs.list", { build });
      return items.length > 0;
    }, "the build that runs");
    return {
      kit,
      release,
      seen,
      hidden,
      running: { build, request, waiting: second.requests[0].id },
      async [Symbol.asyncDispose]() {
        release();
        await kit.close();
      },
    };
  } catch (error) {
    release();
    await kit.close();
    throw error;
  }
}

/** A caller behind a token of these scopes, narrowed or not. */
export async function tokenCaller(
  kit: TestMaster,
  name: string,
  params: { [key: string]: Json },
): Promise<{ caller: Caller; token: string }> {
  const { token } = await kit.call("tokens.add", { name, ...params });
  const caller = await kit.master.api.authenticate(token);
  if (!caller) throw new Error("the token is not known");
  return { caller, token };
}
