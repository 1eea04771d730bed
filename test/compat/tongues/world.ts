import { createRequire } from "node:module";
import { join } from "node:path";
import { http } from "@belfry/http";
import { jsonrpc } from "@belfry/jsonrpc";
import { force } from "@belfry/schedulers";
import {
  fakeWorker,
  source,
  step,
  type TestClock,
  type TestMaster,
  testClock,
  testMaster,
  until,
} from "@belfry/testkit";
import { xmlrpc } from "@belfry/xmlrpc";
import { BelfryError, type Json, type Plugin, SocketClient } from "belfry";
import WebSocket from "ws";
import { httpUrl } from "../../bench/http-url.ts";

/** What a call came to: its result, or the code of its error. */
export type Said = { result: Json } | { code: string };

/** One way to call the methods of a master; `token` is that of the caller, if it has one. */
export interface Tongue {
  name: string;
  /** False where whoever can connect is the administrator. */
  knowsCallers: boolean;
  call(world: TongueWorld, method: string, params: Json, token?: string): Promise<Said>;
}

export interface TongueWorld extends AsyncDisposable {
  kit: TestMaster;
  clock: TestClock;
  url: string;
}

const work = step({
  title: "work",
  run: async (ctx) => {
    await ctx.log("stdio").write("one\ntwo <&> ☃\nthree\n");
    ctx.properties.set("odd", { 'a "name" <&>': [1, -2.5, null, true, "naïve ☃ 🎉", 5_000_000_000] });
    return { result: "success", summary: "fine & <dandy>" };
  },
});

/** The same master each time, at the same moment by its clock: with the build 1 of "runtests", and one that few may see. */
export async function tongueWorld(anonymous: "none" | "read" = "read", plugins: Plugin[] = []): Promise<TongueWorld> {
  const clock = testClock();
  const kit = await testMaster({
    clock,
    config: {
      title: "Tongues",
      access: { anonymous },
      plugins,
      services: [http({ port: 0 }), jsonrpc(), xmlrpc()],
      workers: [fakeWorker({ name: "here" })],
      sources: [source({ name: "repository", source: { pollInterval: 86_400_000, poll: async () => undefined } })],
      schedulers: [
        force({ name: "force", builders: ["runtests"] }),
        force({ name: "covert-force", builders: ["covert"], project: "clandestine" }),
      ],
      builders: [
        { name: "runtests", project: "public", workers: ["here"], steps: [work] },
        { name: "covert", project: "clandestine", workers: ["here"], steps: [work] },
      ],
    },
  });
  for (const [scheduler, project] of [
    ["force", "public"],
    ["covert-force", "clandestine"],
  ] as const) {
    await kit.addChange({ key: project, project });
    const { buildset } = await kit.call("schedulers.force", { scheduler, branch: "main", reason: `for ${project}` });
    await kit.buildsetEnd(buildset);
  }
  await until(async () => (await kit.call("status.now")).builds.length === 0, "rest");
  const url = httpUrl(kit.master);
  return { kit, clock, url, [Symbol.asyncDispose]: () => kit.close() };
}

const bearer = (token: string | undefined): Record<string, string> =>
  token === undefined ? {} : { authorization: `Bearer ${token}` };

interface RpcAnswer {
  result?: Json;
  error?: { data: { code: string } } | null;
}

const saidBy = ({ result, error }: RpcAnswer): Said => (error ? { code: error.data.code } : { result: result as Json });

async function post(world: TongueWorld, body: object, token: string | undefined): Promise<RpcAnswer> {
  const answer = await fetch(`${world.url}/rpc`, {
    method: "POST",
    headers: { "content-type": "application/json", ...bearer(token) },
    body: JSON.stringify(body),
  });
  return (await answer.json()) as RpcAnswer;
}

interface XmlrpcClient {
  methodCall(
    method: string,
    params: unknown[],
    done: (error: { faultString?: string } | null, value: Json) => void,
  ): void;
}

const require = createRequire(import.meta.url);
const { createClient } = require("xmlrpc") as { createClient(options: object): XmlrpcClient };

export const TONGUES: Tongue[] = [
  {
    name: "within the process",
    knowsCallers: true,
    async call({ kit }, method, params, token) {
      const { api } = kit.master;
      const caller = token === undefined ? api.anonymous() : await api.authenticate(token);
      if (!caller) throw new Error("the token is not known");
      try {
        return { result: await api.call(method, params, caller) };
      } catch (error) {
        if (BelfryError.is(error)) return { code: error.code };
        throw error;
      }
    },
  },
  {
    name: "the socket",
    knowsCallers: false,
    async call({ kit }, method, params) {
      const client = await SocketClient.connect(join(kit.folder, ".belfry", "master.sock"));
      try {
        return { result: await client.call(method, params) };
      } catch (error) {
        if (BelfryError.is(error)) return { code: error.code };
        throw error;
      } finally {
        client.close();
      }
    },
  },
  {
    name: "JSON-RPC 2.0",
    knowsCallers: true,
    call: async (world, method, params, token) =>
      saidBy(await post(world, { jsonrpc: "2.0", id: 1, method, params }, token)),
  },
  {
    name: "JSON-RPC 1.0",
    knowsCallers: true,
    call: async (world, method, params, token) => saidBy(await post(world, { id: 1, method, params: [params] }, token)),
  },
  {
    name: "WebSocket",
    knowsCallers: true,
    call: ({ url }, method, params, token) =>
      new Promise((resolve, reject) => {
        const socket = new WebSocket(`${url.replace("http", "ws")}/rpc`, { headers: bearer(token) });
        socket.on("error", reject);
        // Whoever may not even read is refused before there is a WebSocket.
        socket.on("unexpected-response", (_request, answer) =>
          answer.statusCode === 401 ? resolve({ code: "BELFRY_FORBIDDEN" }) : reject(new Error(`${answer.statusCode}`)),
        );
        socket.on("open", () => socket.send(JSON.stringify({ jsonrpc: "2.0", id: 1, method, params })));
        socket.on("message", (data) => {
          resolve(saidBy(JSON.parse(String(data))));
          socket.close();
        });
      }),
  },
  {
    name: "XML-RPC",
    knowsCallers: true,
    call: ({ url }, method, params, token) =>
      new Promise((resolve, reject) => {
        const { hostname, port } = new URL(url);
        const client = createClient({ host: hostname, port, path: "/xmlrpc?nil=1", headers: bearer(token) });
        client.methodCall(method, [params], (error, value) => {
          const code = /BELFRY_\w+/.exec(error?.faultString ?? "")?.[0];
          if (error === null || error === undefined) resolve({ result: value });
          else if (code) resolve({ code });
          else reject(error);
        });
      }),
  },
];
