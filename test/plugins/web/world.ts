import httpPlugin, { http } from "@belfry/http";
import { force } from "@belfry/schedulers";
import { fakeWorker, step, type TestMaster, testMaster, until } from "@belfry/testkit";
import webPlugin, { web } from "@belfry/web";
import type { Api, Config, Result, StepContext, StepNode, z } from "belfry";
import { segment } from "../../../plugins/web/src/urls.ts";
import { httpUrl } from "../../bench/http-url.ts";
import { type Answer, ask, type FakeApi, World } from "../http/world.ts";

/** A name, and a text, with everything that markup, an address or a reader would trip over. */
export const ODD = `a/b "c" & <img src=x onerror=alert(1)>' é😀 \u05d0\u05d1 100% ..`;

/** A change of which all that can be told is such a text. */
export const ODD_CHANGE = {
  author: ODD,
  comments: `${ODD}\n${ODD}`,
  branch: ODD,
  revision: ODD,
  repository: ODD,
  files: [ODD],
  link: "javascript:alert(1)",
  project: ODD,
  properties: { [ODD]: ODD },
};

/** The pages of a master that has a change and one build, of the builder, by the worker "w". */
export function everyPage(builder = "plain"): string[] {
  const at = `/builders/${segment(builder)}`;
  return [
    "/",
    "/builders",
    at,
    `${at}/builds/1`,
    `${at}/builds/1/steps/1/logs/1`,
    "/requests",
    "/requests/1",
    "/buildsets/1",
    "/changes",
    "/changes/1",
    "/workers",
    "/workers/w",
    "/schedulers",
    "/sources",
    "/waterfall",
    "/console",
    "/grid",
    "/tgrid",
    "/plugins",
    "/about",
  ];
}

export interface WebWorld extends AsyncDisposable {
  kit: TestMaster;
  url: string;
  /** Builds to the end; the builder ends as told. */
  build(builder: string, result?: Result, more?: object): Promise<void>;
  /** Starts a build of "slow" and waits for it to run. */
  begin(): Promise<number>;
  release(): void;
  get(path: string, headers?: Record<string, string>): Promise<Answer>;
  /** Sends the form of an action that is on a page, with further fields. */
  send(
    page: string,
    action: string,
    fields?: Record<string, string>,
    headers?: Record<string, string>,
  ): Promise<Answer>;
  token(name: string, facts?: object): Promise<string>;
  /** The headers of a program whose token may control. */
  hand(): Promise<{ authorization: string }>;
}

/** A master with builders of all kinds, and its pages. */
export async function webWorld(
  options: z.input<typeof web.definition.options> = {},
  more: Partial<Config> = {},
  /** What is other in the configuration of a reload. */
  later: () => Partial<Config> | Promise<Partial<Config>> = () => ({}),
): Promise<WebWorld> {
  let release = () => {};
  let gate = Promise.resolve();
  const told = step({
    title: ODD,
    run: async (ctx) => {
      await ctx
        .log("out")
        .write(`plain\n\u001b[31merror: ${ODD}\u001b[0m\n\u001b[2J\u001b]8;;http://evil.example\u0007gone\n`);
      const result = String(ctx.properties.get("wanted") ?? "success") as Result;
      if (result === "exception") throw new Error(ODD);
      return { result, summary: ODD };
    },
  });
  const waits = step({
    title: "wait",
    run: async (ctx: StepContext) => {
      await ctx.log("out").write("begun\n");
      const aborted = new Promise<never>((_, reject) =>
        ctx.signal.addEventListener("abort", () => reject(ctx.signal.reason), { once: true }),
      );
      await Promise.race([gate, aborted]);
      return { result: "success" };
    },
  });
  const builders = [
    {
      name: "plain",
      workers: ["w"],
      tags: ["fast", "unit"],
      project: "app",
      description: "what is quick",
      steps: [told],
    },
    { name: "slow", workers: ["w"], tags: ["slow"], steps: [waits] },
    { name: ODD, workers: ["w"], tags: [ODD], project: ODD, description: ODD, steps: [told] },
    { name: "~.", workers: ["w"], steps: [told] },
    { name: "secret", workers: ["w"], project: "hidden", tags: ["unit"], steps: [told] },
  ];
  const names = builders.map(({ name }) => name);
  const config: Omit<Config, "database"> = {
    access: { anonymous: "read" },
    services: [http({ port: 0 }), web(options)],
    workers: [fakeWorker({ name: "w", slots: 4 })],
    schedulers: [
      force({ name: "by hand", builders: names }),
      force({
        name: "asking",
        builders: ["plain"],
        parameters: [
          { type: "string", name: "word", label: ODD, default: "hello" },
          { type: "int", name: "times", required: true },
          { type: "boolean", name: "really" },
          { type: "choice", name: "colour", choices: ["red", { value: 7, label: "seven" }] },
          { type: "choices", name: "many", choices: ["a", "b", "c"] },
          { type: "group", name: "inner", parameters: [{ type: "text", name: "note" }] },
        ],
      }),
    ],
    builders,
    ...more,
  };
  const kit = await testMaster({ config, load: async () => ({ ...config, ...(await later()) }) });
  const url = httpUrl(kit.master);
  const start = async (builder: string, result: Result, wish: object): Promise<number> =>
    (
      await kit.call("schedulers.force", {
        scheduler: "by hand",
        builders: [builder],
        properties: { wanted: result },
        ...wish,
      })
    ).buildset;
  const world: WebWorld = {
    kit,
    url,
    async build(builder, result = "success", wish = {}) {
      await kit.buildsetEnd(await start(builder, result, wish));
    },
    async begin() {
      gate = new Promise((resolve) => {
        release = resolve;
      });
      const buildset = await start("slow", "success", {});
      const { requests } = await kit.call("buildsets.get", { buildset });
      const { data } = await kit.event("build.assigned", ({ request }) => request === requests[0].id);
      await kit.event("log.added", ({ build }) => build === data.build);
      await until(
        async () => (await kit.call("logs.read", { build: data.build, step: 1 })).lines > 0,
        "the first line",
      );
      return buildset;
    },
    release: () => release(),
    get: (path, headers = {}) => ask(`${url}${path}`, { headers }),
    async send(page, action, fields = {}, headers = {}) {
      const given = fieldsOf((await world.get(page, headers)).body, action);
      const sent = new URLSearchParams({ ...given, ...fields }).toString();
      return ask(`${url}/do/${action}`, {
        method: "POST",
        body: sent,
        headers: {
          ...FORM,
          origin: url,
          referer: `${url}${page}`,
          ...headers,
        },
      });
    },
    token: async (name, facts = {}) => (await kit.call("tokens.add", { name, scopes: ["read"], ...facts })).token,
    hand: async () => bearer(await world.token("hand", { scopes: ["control"] })),
    async [Symbol.asyncDispose]() {
      release();
      await kit.close();
    },
  };
  return world;
}

/** What a configuration has for one builder, which is built when asked for. */
export function oneBuilder(name: string, step: StepNode): Pick<Config, "builders" | "schedulers"> {
  return {
    builders: [{ name, workers: ["w"], steps: [step] }],
    schedulers: [force({ name: "by hand", builders: [name] })],
  };
}

/** The pages over another API, on a server of their own. */
export async function pagesOver(api: Api): Promise<World> {
  const world = new World(api as FakeApi, [httpPlugin, webPlugin]);
  await world.start(http, { port: 0, grace: 200 });
  await world.start(web, {});
  return world;
}

/** What a browser makes of an attribute's value. */
export function unescaped(text: string): string {
  return text
    .replace(/&lt;/g, "<")
    .replace(/&gt;/g, ">")
    .replace(/&quot;/g, '"')
    .replace(/&#39;/g, "'")
    .replace(/&amp;/g, "&");
}

/** How a browser that was given a token as the password sends it. */
export const basic = (token: string) => ({ authorization: `Basic ${Buffer.from(`me:${token}`).toString("base64")}` });

export const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

/** How a form is sent. */
export const FORM = { "content-type": "application/x-www-form-urlencoded" };

/** What a form of an action, the first or another one on a page, sends by itself. */
export function fieldsOf(body: string, action: string, nth = 0): Record<string, string> {
  const forms = [...body.matchAll(new RegExp(`<form method="post" action="/do/${action}".*?</form>`, "gs"))];
  const form = forms[nth]?.[0];
  if (form === undefined) throw new Error(`${forms.length} forms of "${action}" in ${body}`);
  const hidden = form.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g);
  return Object.fromEntries([...hidden].map(([, name, value]) => [name ?? "", unescaped(value ?? "")]));
}

/** The key of the first form on a page, which its reader sends with any of them. */
export function formKeyOf(body: string): string {
  return /name="_form" value="([^"]*)"/.exec(body)?.[1] ?? "";
}
