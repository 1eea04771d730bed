import { createRequire } from "node:module";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { masterWorld, type Said } from "./master-world.ts";

const test = suite("JSON-RPC for clients that nobody here wrote");

interface JaysonClient {
  request(method: string, params: unknown, id?: unknown): unknown;
  request(method: string, params: unknown, id: unknown, done: (error: Said, answer: Said) => void): unknown;
  request(method: string, params: unknown, done: (error: Said, answer: Said) => void): unknown;
  request(batch: unknown[], done: (error: Said, answer: Said) => void): unknown;
}

const require = createRequire(import.meta.url);
const jayson = require("jayson") as {
  Client: {
    http(options: object): JaysonClient;
    websocket(options: object): JaysonClient & { ws: { close(): void; once(event: string, done: () => void): void } };
  };
};

const asked = (work: (done: (error: Said, answer: Said) => void) => void): Promise<Said> =>
  new Promise((resolve, reject) => work((error, answer) => (error ? reject(error) : resolve(answer))));

for (const version of [1, 2] as const) {
  test(`jayson's client of version ${version} over HTTP`, async () => {
    await using world = await masterWorld();
    const client = jayson.Client.http({ hostname: "127.0.0.1", port: world.port, path: "/rpc", version });
    const params = { order: "name" };
    const named = await asked((done) => client.request("builders.list", version === 1 ? [params] : params, done));
    assert.equal(
      named.result.items.map(({ name }: Said) => name),
      ["covert", "runtests"],
    );
    assert.is("jsonrpc" in named, version === 2);
    const { error } = await asked((done) =>
      client.request("builders.get", version === 1 ? ["none"] : { builder: "none" }, done),
    );
    assert.equal([error.code, error.data.code], [-32004, "BELFRY_NOT_FOUND"]);
  });
}

test("jayson's client: a batch, a notification, parameters by position", async () => {
  await using world = await masterWorld();
  const client = jayson.Client.http({ hostname: "127.0.0.1", port: world.port, path: "/rpc" });
  const batch = [
    client.request("builders.get", ["runtests"]),
    client.request("builders.get", ["runtests"], null),
    client.request("nothing.such", []),
  ];
  const answers: Said[] = await asked((done) => client.request(batch, done));
  const codes = answers.map(({ result, error }) => result?.name ?? error.code);
  assert.equal(codes.filter((code) => code === -32601).length, 1);
  assert.ok(codes.includes("runtests"));
});

test("jayson's client over WebSocket", async () => {
  await using world = await masterWorld();
  const client = jayson.Client.websocket({ url: world.wsUrl });
  await new Promise<void>((resolve) => client.ws.once("open", resolve));
  const { result } = await asked((done) => client.request("builders.get", { builder: "runtests" }, done));
  assert.is(result.name, "runtests");
  const { error } = await asked((done) => client.request("builds.get", { build: 77 }, done));
  assert.is(error.data.code, "BELFRY_NOT_FOUND");
  client.ws.close();
});

test.run();
