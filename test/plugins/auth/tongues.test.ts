import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ask, Line } from "../http/world.ts";
import { authWorld } from "./world.ts";

const test = suite("a session in every tongue");

test("what a session may it may in each of them, and no more", async () => {
  await using world = await authWorld({}, { access: { anonymous: "none" } });
  const [bob, port] = [await world.as("bob"), Number(new URL(world.url).port)];
  const own = { cookie: bob.cookie, origin: world.url };
  const xml = async (method: string, builder: string) => {
    const params = `<params><param><value><struct><member><name>builder</name><value><string>${builder}</string></value></member></struct></value></param></params>`;
    const body = `<?xml version="1.0"?><methodCall><methodName>${method}</methodName>${params}</methodCall>`;
    const headers = { ...own, "content-type": "text/xml" };
    return (await ask(`${world.url}/xmlrpc`, { method: "POST", body, headers })).body;
  };
  assert.match(await xml("builders.pause", "plain"), "<boolean>1</boolean>");
  assert.match(await xml("builders.pause", "slow"), "BELFRY_NOT_FOUND");
  assert.is((await world.kit.call("builders.get", { builder: "plain" })).pausedBy, "bob");
  assert.is((await bob.call("builders.resume", { builder: "plain" })).json.error, undefined);
  assert.is((await bob.call("builders.resume", { builder: "slow" })).json.error.data.code, "BELFRY_NOT_FOUND");

  using stream = new Line(port);
  stream.send(`GET /events HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nCookie: ${bob.cookie}\r\n\r\n`);
  await stream.until(/text\/event-stream/);
  await world.build("secret");
  await world.build("plain");
  await stream.until(/build\.finished[\s\S]*plain/);
  assert.not.match(stream.received, "secret");

  const socket = new WebSocket(`ws://127.0.0.1:${port}/rpc`, { headers: own } as never);
  const answered = new Promise<string>((resolve, reject) => {
    socket.onmessage = ({ data }) => resolve(String(data));
    socket.onerror = () => reject(new Error("no WebSocket"));
  });
  await new Promise((resolve) => {
    socket.onopen = resolve;
  });
  socket.send(JSON.stringify({ jsonrpc: "2.0", id: 1, method: "builders.list", params: {} }));
  const { result } = JSON.parse(await answered);
  assert.equal(
    result.items.map(({ name }: { name: string }) => name),
    ["plain"],
  );
  socket.close();
});

test.run();
