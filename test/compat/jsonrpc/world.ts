import { jsonrpc } from "@belfry/jsonrpc";
import { z } from "belfry";
import { type Answer, ask, FakeApi, fault, method, serving, type World } from "../../plugins/http/world.ts";

const number = z.number();

/** The methods that the specification's examples call, and some that go wrong. */
export function exampleApi(): FakeApi {
  return new FakeApi([
    method(
      "subtract",
      z.object({ minuend: number, subtrahend: number }),
      ({ minuend, subtrahend }) => minuend - subtrahend,
    ),
    method("sum", z.object({ a: number, b: number, c: number }), ({ a, b, c }) => a + b + c),
    method("update", z.object({ a: number, b: number, c: number, d: number, e: number }).partial(), () => null),
    method("notify_hello", z.object({ x: number }), () => null),
    method("notify_sum", z.object({ a: number, b: number, c: number }), () => null),
    method("get_data", z.object({}), () => ["hello", 5]),
    method("echo", z.object({ value: z.any() }).partial(), ({ value }) => value ?? null),
    method("builds.stop", z.object({ id: number }), () => "stopped", "control"),
    method("find", z.object({}), () => {
      throw fault("BELFRY_NOT_FOUND", "There is no such thing.");
    }),
    method("conflict", z.object({}), () => {
      throw fault("BELFRY_GIT_CLONE_FAILED", "The clone failed.");
    }),
    method("throws", z.object({}), () => {
      throw new TypeError("a secret at /etc/passwd");
    }),
    method("throws.nothing", z.object({}), () => {
      throw undefined;
    }),
    method("unsendable", z.object({}), () => 12n),
    method("nothing", z.object({}), () => undefined),
    method("large", z.object({}), () => "x".repeat(10_000)),
  ]);
}

/** A server with JSON-RPC at `/rpc`. */
export async function rpcWorld(
  options: z.input<typeof jsonrpc.definition.options> = {},
  api = exampleApi(),
): Promise<World> {
  const world = await serving({ bodyTimeout: 300 }, api);
  await world.start(jsonrpc, options);
  return world;
}

export function post(world: World, body: string | Buffer, headers: Record<string, string> = {}): Promise<Answer> {
  return ask(`${world.url}/rpc`, { method: "POST", body, headers: { "content-type": "application/json", ...headers } });
}

/** An answer of JSON-RPC, or an array of them: whatever the test expects it to be. */
export type Said = any;

/** What `/rpc` says to a body; `undefined` if nothing. Fails unless the status is 200 or 204 accordingly. */
export async function say(world: World, body: unknown, headers: Record<string, string> = {}): Promise<Said> {
  const answer = await post(
    world,
    typeof body === "string" || Buffer.isBuffer(body) ? body : JSON.stringify(body),
    headers,
  );
  if (answer.status === 204 && answer.body === "") return undefined;
  if (answer.status !== 200 || !/^application\/json/.test(answer.headers["content-type"] ?? "")) {
    throw new Error(`status ${answer.status}: ${answer.body}`);
  }
  return JSON.parse(answer.body);
}

/** An answer without the words of its error. */
export function bare(answer: Said): Said {
  if (Array.isArray(answer)) return answer.map(bare);
  if (answer?.error === undefined) return answer;
  return { ...answer, error: answer.error.code };
}
