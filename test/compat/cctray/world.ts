import { cctray } from "@belfry/cctray";
import { http } from "@belfry/http";
import { force } from "@belfry/schedulers";
import { fakeWorker, step, type TestMaster, testMaster } from "@belfry/testkit";
import type { Config, Result, StepContext, z } from "belfry";
import { SaxesParser } from "saxes";
import { httpUrl } from "../../bench/http-url.ts";
import { type Answer, ask } from "../../plugins/http/world.ts";

/** A name with everything that XML or an address would trip over. */
export const ODD = 'a/b "c" & <d>\' é😀 100%';

export interface FeedWorld extends AsyncDisposable {
  kit: TestMaster;
  url: string;
  /** Builds to the end; the builder "as told" ends as told. */
  build(builder: string, result?: Result, branch?: string): Promise<void>;
  /** Starts a build of "slow" and waits for it to run. */
  begin(branch?: string): Promise<number>;
  release(): void;
  get(path: string, headers?: Record<string, string>): Promise<Answer>;
  /** The projects of a feed, by a parser that is strict; fails unless the status is 200. */
  feed(query?: string, headers?: Record<string, string>): Promise<Record<string, string>[]>;
  token(name: string, facts?: object): Promise<string>;
}

/** A master with builders of all kinds, and their feed. */
export async function feedWorld(
  options: z.input<typeof cctray.definition.options> = {},
  more: Partial<Config> = {},
): Promise<FeedWorld> {
  let release = () => {};
  let gate = Promise.resolve();
  const told = step({
    title: "as told",
    run: async (ctx) => {
      const result = String(ctx.properties.get("wanted") ?? "success") as Result;
      if (result === "exception") throw new Error("as told");
      return { result };
    },
    flunkOnWarnings: false,
  });
  const waits = step({
    title: "wait",
    run: async (ctx: StepContext) => {
      const aborted = new Promise<never>((_, reject) =>
        ctx.signal.addEventListener("abort", () => reject(ctx.signal.reason), { once: true }),
      );
      await Promise.race([gate, aborted]);
      return { result: ctx.properties.get("wanted") === "failure" ? "failure" : "success" };
    },
  });
  const builders = [
    { name: "zebra", workers: ["w"], tags: ["fast", "unit"], steps: [told] },
    { name: "as told", workers: ["w"], tags: ["unit"], steps: [told] },
    { name: "slow", workers: ["w"], tags: ["slow"], steps: [waits] },
    { name: ODD, workers: ["w"], steps: [told] },
    { name: "secret", workers: ["w"], project: "hidden", tags: ["unit"], steps: [told] },
  ];
  const kit = await testMaster({
    config: {
      access: { anonymous: "read" },
      services: [http({ port: 0 }), cctray(options)],
      workers: [fakeWorker({ name: "w", slots: 4 })],
      schedulers: [force({ name: "by hand", builders: builders.map(({ name }) => name) })],
      builders,
      ...more,
    },
  });
  const url = httpUrl(kit.master);
  const start = async (builder: string, result: Result, branch: string | undefined): Promise<number> => {
    const wish = { builders: [builder], properties: { wanted: result }, ...(branch !== undefined && { branch }) };
    return (await kit.call("schedulers.force", wish)).buildset;
  };
  const world: FeedWorld = {
    kit,
    url,
    async build(builder, result = "success", branch) {
      await kit.buildsetEnd(await start(builder, result, branch));
    },
    async begin(branch) {
      gate = new Promise((resolve) => {
        release = resolve;
      });
      const buildset = await start("slow", "success", branch);
      const { requests } = await kit.call("buildsets.get", { buildset });
      await kit.event("build.assigned", ({ request }) => request === requests[0].id);
      return buildset;
    },
    release: () => release(),
    get: (path, headers = {}) => ask(`${url}${path}`, { headers }),
    async feed(query = "", headers) {
      const answer = await world.get(`/cc.xml${query}`, headers);
      if (answer.status !== 200) throw new Error(`status ${answer.status}: ${answer.body}`);
      return projectsIn(answer.body);
    },
    token: async (name, facts = {}) => (await kit.call("tokens.add", { name, scopes: ["read"], ...facts })).token,
    async [Symbol.asyncDispose]() {
      release();
      await kit.close();
    },
  };
  return world;
}

/** The attributes of each Project of a feed; fails if it is not well-formed or has anything else. */
export function projectsIn(xml: string): Record<string, string>[] {
  const projects: Record<string, string>[] = [];
  const parser = new SaxesParser({ xmlns: false });
  const open: string[] = [];
  parser.on("error", (error) => {
    throw error;
  });
  parser.on("opentag", ({ name, attributes }) => {
    open.push(name);
    if (open.join("/") === "Projects") return;
    if (open.join("/") !== "Projects/Project") throw new Error(`${open.join("/")} is not of this feed`);
    projects.push({ ...(attributes as Record<string, string>) });
  });
  parser.on("closetag", () => open.pop());
  parser.write(xml).close();
  return projects;
}

export const basic = (password: string, user = "anybody") => ({
  authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`,
});
