import { http } from "@belfry/http";
import { force } from "@belfry/schedulers";
import { fakeWorker, step, type TestMaster, testMaster, until } from "@belfry/testkit";
import { xmlrpc } from "@belfry/xmlrpc";
import { type Config, type Json, type Result, type StepContext, z } from "belfry";
import { decodeCall } from "../../../compat/xmlrpc/src/codec/decode.ts";
import { type EncodeOptions, encodeValue } from "../../../compat/xmlrpc/src/codec/encode.ts";
import { Turns } from "../../../compat/xmlrpc/src/turns.ts";
import { httpUrl } from "../../bench/http-url.ts";
import { type Answer, ask, FakeApi, fault, method, serving, type World } from "../../plugins/http/world.ts";

export type XmlrpcInput = z.input<typeof xmlrpc.definition.options>;

/** Methods that go well, and some that go wrong. */
export function exampleApi(): FakeApi {
  const api = new FakeApi([
    method("test.echo", z.object({ value: z.any() }).partial(), ({ value }) => value ?? null),
    method("test.add", z.strictObject({ a: z.int(), b: z.int().default(1) }), ({ a, b }) => a + b),
    method(
      "test.take",
      z.strictObject({ name: z.string().optional(), branch: z.string().nullable().optional() }),
      (params) => params,
    ),
    method("test.stop", z.object({ id: z.int() }), () => "stopped", "control"),
    method("test.missing", z.object({}), () => {
      throw fault("BELFRY_NOT_FOUND", "There is no such thing.");
    }),
    method("test.loud", z.object({}), () => {
      throw fault("BELFRY_NOT_FOUND", "There is no \u001b[1m\u0000<thing>.");
    }),
    method("test.throws", z.object({}), () => {
      throw new TypeError("a secret at /etc/passwd");
    }),
    method("test.spent", z.object({}), () => {
      throw Object.assign(fault("BELFRY_BUDGET_SPENT", "Too much."), {
        details: [{ path: "retryAfterSeconds", message: "7" }],
      });
    }),
    method("test.unsendable", z.object({}), () => ({ deep: [Number.NaN] })),
    method("test.nothing", z.object({}), () => undefined),
    method("test.large", z.object({}), () => "x".repeat(10_000)),
    method("test.wide", z.object({}), () => ({
      colour: "\u001b[31mred\u001b[0m\r\nplain \u0001",
      later: 1_795_416_278_119,
      none: null,
      list: [null],
    })),
  ]);
  return api;
}

/** A server with XML-RPC at `/xmlrpc`, over a few methods. */
export async function xmlWorld(options: XmlrpcInput = {}, api = exampleApi()): Promise<World> {
  const world = await serving({ bodyTimeout: 300 }, api);
  await world.start(xmlrpc, options);
  return world;
}

export function post(
  { url }: { url: string },
  body: string | Buffer,
  headers: Record<string, string> = {},
  path = "/xmlrpc",
): Promise<Answer> {
  return ask(`${url}${path}`, { method: "POST", body, headers: { "content-type": "text/xml", ...headers } });
}

export const PLAIN: EncodeOptions = { nil: false, i8: false, base64: false };
export const LIMITS = { depth: 64, values: 200_000 };

/** A method call in XML, of parameters in XML. */
export const callOf = (name: string, ...params: string[]) =>
  `<?xml version="1.0"?>\n<methodCall>\n<methodName>${name}</methodName>\n<params>${params.map((param) => `<param>${param}</param>`).join("")}</params>\n</methodCall>\n`;

export const encoded = (value: unknown, options: Partial<EncodeOptions> = {}) =>
  encodeValue(value, { ...PLAIN, ...options }, new Turns());

export const decoded = (xml: string, limits = LIMITS) => decodeCall(xml, limits, new Turns());

export interface Said {
  status: number;
  value?: any;
  fault?: { code: number; text: string };
}

/** What an answer says; fails unless it is one of XML-RPC, letter by letter. */
export async function read(answer: Answer): Promise<Said> {
  const { status, body, headers } = answer;
  if (headers["content-type"] !== "text/xml; charset=utf-8") throw new Error(`${status} ${JSON.stringify(headers)}`);
  const [, kind, xml = ""] =
    /^<\?xml version="1\.0" encoding="UTF-8"\?><methodResponse><(fault|params)>(?:<param>)?([\s\S]*?)(?:<\/param>)?<\/\1><\/methodResponse>$/.exec(
      body,
    ) ?? [];
  if (kind === undefined) throw new Error(`no answer of XML-RPC: ${body.slice(0, 500)}`);
  const [value] = (await decoded(callOf("answer", xml))).params;
  if (kind === "params") return { status, value };
  const { faultCode, faultString, ...more } = value as { faultCode: number; faultString: string };
  if (typeof faultCode !== "number" || typeof faultString !== "string" || Object.keys(more).length > 0)
    throw new Error(`no fault of XML-RPC: ${xml}`);
  return { status, fault: { code: faultCode, text: faultString } };
}

/** Calls a method with plain values. */
export async function say(
  world: { url: string },
  name: string,
  params: unknown[] = [],
  headers: Record<string, string> = {},
  path = "/xmlrpc",
): Promise<Said> {
  const values = await Promise.all(params.map((param) => encoded(param, { nil: true })));
  return read(await post(world, callOf(name, ...values), headers, path));
}

/** The same, for the value alone. */
export async function valueOf(world: { url: string }, name: string, ...params: unknown[]): Promise<any> {
  const said = await say(world, name, params);
  if (said.fault !== undefined) throw new Error(`${name}: fault ${said.fault.code} ${said.fault.text}`);
  return said.value;
}

export interface Farm extends AsyncDisposable {
  readonly url: string;
  readonly kit: TestMaster;
  /** Lets the running builds go on to their end. */
  release(): void;
  /** Builds something to its end. */
  build(builder: string, properties?: Record<string, Json>, branch?: string): Promise<void>;
  /** Begins a build that waits until `release`. */
  begin(builder: string): Promise<void>;
}

/** A real master with builders that do as their properties say, and XML-RPC. */
export async function farm(options: XmlrpcInput = {}, more: Partial<Config> = {}): Promise<Farm> {
  let release = () => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const compile = step({
    title: "compile",
    run: async (ctx) => {
      await ctx.log("stdio").write("$ make\n", "header");
      await ctx.log("stdio").write("\u001b[1mcompiling\u001b[0m\n");
      if (ctx.properties.get("wait") === true) await Promise.race([gate, untilAborted(ctx)]);
      const revision = ctx.properties.get("checkedOut");
      if (revision !== undefined) ctx.properties.set("gotRevision", revision, "compile");
      return { result: "success" };
    },
  });
  const check = step({
    title: "check",
    haltOnFailure: false,
    run: async (ctx) => {
      const result = (ctx.properties.get("result") ?? "success") as Result;
      const log = ctx.log("errors");
      if (result === "failure") {
        await log.write("$ check\n", "header");
        await log.write("\u001b[31mtest 7 of 9 failed\u001b[0m <&>\r\n");
        await log.write("at line 3\n", "stderr");
      }
      return { result };
    },
  });
  const kit = await testMaster({
    config: {
      access: { anonymous: "read" },
      services: [http({ port: 0 }), xmlrpc(options)],
      workers: [fakeWorker({ name: "w", slots: 4 })],
      schedulers: [force({ name: "force", builders: ["zebra", "runtests", "covert"] })],
      builders: [
        { name: "zebra", tags: ["open"], workers: ["w"], steps: [compile, check] },
        { name: "runtests", tags: ["open"], workers: ["w"], steps: [compile, check] },
        { name: "covert", tags: ["secret"], workers: ["w"], steps: [compile, check] },
      ],
      ...more,
    },
  });
  const start = (builder: string, properties: Record<string, Json>, branch?: string) =>
    kit.call("schedulers.force", {
      builders: [builder],
      reason: `to see ${builder}`,
      properties,
      ...(branch === undefined ? {} : { branch }),
    });
  return {
    url: httpUrl(kit.master),
    kit,
    release,
    async build(builder, properties = {}, branch) {
      const { buildset } = await start(builder, properties, branch);
      await kit.buildsetEnd(buildset);
    },
    async begin(builder) {
      const { requests } = await start(builder, { wait: true });
      await until(async () => {
        const { builds } = await kit.call("requests.get", { request: requests[0].id });
        if (builds.length === 0) return false;
        return (await kit.call("logs.list", { build: builds[0] })).items.length > 0;
      }, "a build that runs");
    },
    async [Symbol.asyncDispose]() {
      release();
      await kit.close();
    },
  };
}

const untilAborted = (ctx: StepContext) =>
  new Promise<never>((_, reject) =>
    ctx.signal.addEventListener("abort", () => reject(ctx.signal.reason), { once: true }),
  );
