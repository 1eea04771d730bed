import xmlrpcPlugin, { xmlrpc } from "@belfry/xmlrpc";
import { z } from "belfry";
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ask, eventually, FakeApi, Line, method, rejects, World } from "../../plugins/http/world.ts";
import { callOf, encoded, exampleApi, post, read, say, valueOf, xmlWorld } from "./world.ts";

const test = suite("XML-RPC over HTTP");

const hello = callOf("test.echo", "<value>hello</value>");
const helloAnswer =
  '<?xml version="1.0" encoding="UTF-8"?><methodResponse><params><param><value><string>hello</string></value></param></params></methodResponse>';
const nested = (depth: number) =>
  callOf("test.echo", `${"<value><array><data>".repeat(depth)}${"</data></array></value>".repeat(depth)}`);

test("an answer is XML with a length, and is not to be stored", async () => {
  await using world = await xmlWorld();
  const answer = await post(world, hello);
  assert.equal([answer.status, answer.body], [200, helloAnswer]);
  assert.is(answer.headers["content-type"], "text/xml; charset=utf-8");
  assert.is(answer.headers["content-length"], String(helloAnswer.length));
  assert.is(answer.headers["cache-control"], "no-store");
});

test("it answers at its path and below, and to POST only", async () => {
  await using world = await xmlWorld();
  for (const path of ["/xmlrpc", "/xmlrpc/", "/xmlrpc/deep/er"])
    assert.is((await post(world, hello, {}, path)).body, helloAnswer, path);
  assert.is((await post(world, hello, {}, "/xmlrpcs")).status, 404);
  for (const name of ["GET", "HEAD", "PUT", "DELETE"]) {
    const answer = await ask(`${world.url}/xmlrpc`, { method: name });
    assert.equal([answer.status, answer.headers.allow], [405, "POST"], name);
    if (name !== "HEAD") assert.match((await read(answer)).fault?.text ?? "", "BELFRY_HTTP_METHOD_REFUSED");
  }
});

test("a fault has status 200 and a length, too", async () => {
  await using world = await xmlWorld();
  const answer = await post(world, callOf("test.missing"));
  assert.is(answer.headers["content-length"], String(Buffer.byteLength(answer.body)));
  assert.equal(await read(answer), {
    status: 200,
    fault: { code: -32500, text: "BELFRY_NOT_FOUND: There is no such thing. Because of the test. Change the test." },
  });
});

test("a body is taken as XML by its type; curl's default or none is taken from programs only", async () => {
  await using world = await xmlWorld();
  const send = (headers: Record<string, string>) =>
    ask(`${world.url}/xmlrpc`, {
      method: "POST",
      body: hello,
      headers: { host: `localhost:${world.port}`, ...headers },
    });
  for (const type of ["text/xml", "Text/XML; charset=utf-8", 'application/xml;charset="UTF-8"'])
    assert.is((await send({ "content-type": type })).body, helloAnswer, type);
  for (const type of ["text/plain", "application/json", "multipart/form-data; boundary=x", "xml", "text/html"]) {
    const answer = await send({ "content-type": type });
    assert.is(answer.status, 415, type);
    assert.match((await read(answer)).fault?.text ?? "", "BELFRY_XMLRPC_MEDIA_TYPE");
  }
  const unnamed: Record<string, string>[] = [{}, { "content-type": "application/x-www-form-urlencoded" }];
  for (const headers of unnamed) {
    assert.is((await send(headers)).body, helloAnswer);
    assert.is((await send({ ...headers, origin: `http://localhost:${world.port}` })).status, 415);
    assert.is((await send({ ...headers, "sec-fetch-site": "same-origin" })).status, 415);
  }
  assert.is((await send({ "content-type": "text/xml", origin: "https://evil.example" })).status, 403);
});

test("bytes are read in the encoding that is named, and only in those that are known", async () => {
  await using world = await xmlWorld();
  const call = (encoding: string) =>
    `<?xml version="1.0" encoding="${encoding}"?>${callOf("test.echo", "<value>\u00e9</value>").slice(21)}`;
  const value = async (body: Buffer, type = "text/xml") =>
    await read(await post(world, body, { "content-type": type }));
  assert.is((await value(Buffer.from(call("utf-8")))).value, "é");
  assert.is((await value(Buffer.from(call("ISO-8859-1"), "latin1"))).value, "é");
  assert.is(
    (await value(Buffer.from(hello.replace("hello", "\u00e9"), "latin1"), "text/xml; charset=iso-8859-1")).value,
    "é",
  );
  assert.is((await value(Buffer.from(call("utf-8"), "latin1"))).fault?.code, -32702);
  assert.is((await value(Buffer.from(call("shift_jis")))).fault?.code, -32701);
  assert.is((await value(Buffer.from(call("utf-8"), "utf16le"))).fault?.code, -32702);
});

test("each kind of bad input has the number of the interop specification", async () => {
  await using world = await xmlWorld({ valueLimit: 1_000 });
  const faultOf = async (body: string) => (await read(await post(world, body))).fault;
  const laughs = `<!DOCTYPE lolz [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>${callOf("test.echo", "<value>&b;</value>").slice(21)}`;
  const external = `<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>${callOf("test.echo", "<value>&e;</value>").slice(21)}`;
  const table: [number, string, string][] = [
    [-32700, "BELFRY_XMLRPC_MALFORMED", ""],
    [-32700, "BELFRY_XMLRPC_MALFORMED", "{}"],
    [-32700, "BELFRY_XMLRPC_MALFORMED", laughs],
    [-32700, "BELFRY_XMLRPC_MALFORMED", external],
    [-32700, "BELFRY_XMLRPC_MALFORMED", `${hello}${hello.slice(22)}`],
    [-32702, "BELFRY_XMLRPC_CHARACTER", hello.replace("hello", "\0")],
    [-32702, "BELFRY_XMLRPC_CHARACTER", hello.replace("hello", "\u001b[1m")],
    [-32600, "BELFRY_XMLRPC_NONCONFORMING", "<html/>"],
    [-32600, "BELFRY_XMLRPC_NONCONFORMING", hello.replace("hello", "<blink/>")],
    [-32600, "BELFRY_XMLRPC_VALUE", hello.replace("hello", "<int>12abc</int>")],
    [-32600, "BELFRY_XMLRPC_VALUE", hello.replace("hello", "<int>2147483648</int>")],
    [-32600, "BELFRY_XMLRPC_TOO_DEEP", nested(10_000)],
    [
      -32600,
      "BELFRY_XMLRPC_TOO_MANY_VALUES",
      hello.replace("hello", `<array><data>${"<value/>".repeat(1_000)}</data></array>`),
    ],
    [-32601, "BELFRY_XMLRPC_METHOD_UNKNOWN", callOf("no.such")],
    [-32602, "BELFRY_XMLRPC_POSITIONS", callOf("test.add", "<value/>", "<value/>", "<value/>")],
    [-32602, "BELFRY_PARAMS_INVALID", callOf("test.add", "<value>x</value>")],
    [-32603, "BELFRY_XMLRPC_INTERNAL", callOf("test.throws")],
    [-32603, "BELFRY_XMLRPC_UNSENDABLE", callOf("test.unsendable")],
  ];
  for (const [number, code, body] of table) {
    const told = await faultOf(body);
    assert.is(told?.code, number, body.slice(0, 100));
    assert.match(told?.text ?? "", new RegExp(`^${code}: `));
  }
  assert.not.ok(JSON.stringify(await faultOf(callOf("test.throws"))).includes("passwd"));
  assert.ok(world.log.some(({ level, fields }) => level === "error" && String(fields.error).includes("passwd")));
});

test("the text of a fault is always text, whatever it holds", async () => {
  await using world = await xmlWorld({ base64: true });
  const text = "BELFRY_NOT_FOUND: There is no \ufffd<thing>. Because of the test. Change the test.";
  assert.equal((await say(world, "test.loud")).fault, { code: -32500, text });
  const [fault] = await valueOf(world, "system.multicall", [{ methodName: "test.loud" }]);
  assert.equal(fault, { faultCode: -32500, faultString: text });
});

test("a member named __proto__ changes nothing, in or out", async () => {
  await using world = await xmlWorld();
  const evil =
    "<value><struct><member><name>__proto__</name><value><struct><member><name>polluted</name><value>1</value></member></struct></value></member></struct></value>";
  assert.is((await read(await post(world, callOf("test.echo", evil)))).fault?.code, -32600);
  assert.is(({} as Record<string, unknown>).polluted, undefined);
  for (const name of ["constructor", "toString", "__proto__"])
    assert.is((await read(await post(world, callOf(name)))).fault?.code, 8001, name);
});

test("an oversized body is refused with 413, by its length and in chunks", async () => {
  await using world = await xmlWorld();
  const large = hello.replace("hello", "x".repeat(1_048_576));
  for (const headers of [{}, { "transfer-encoding": "chunked" }] as Record<string, string>[]) {
    const answer = await post(world, large, headers);
    assert.is(answer.status, 413);
    assert.equal((await read(answer)).fault?.code, -32300);
  }
  assert.equal(world.api.calls, []);
  assert.is((await valueOf(world, "test.echo", "x".repeat(1_000_000))).length, 1_000_000);
});

test("a POST that never ends is refused with 408", async () => {
  await using world = await xmlWorld();
  using line = new Line(world.port).send(
    "POST /xmlrpc HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\nContent-Length: 50\r\n\r\n<",
  );
  await line.closed;
  assert.match(line.received, /^HTTP\/1\.1 408 [\s\S]*<methodResponse><fault>[\s\S]*BELFRY_HTTP_BODY_SLOW/);
  assert.is(await valueOf(world, "test.echo", "alive"), "alive");
});

test("a wrong token is 401 with a fault, and runs nothing; control needs a right one", async () => {
  await using world = await xmlWorld();
  const wrong = await post(world, hello, { authorization: "Bearer belfry_wrong" });
  assert.is(wrong.status, 401);
  assert.match(wrong.headers["www-authenticate"] as string, "Bearer");
  assert.match((await read(wrong)).fault?.text ?? "", "BELFRY_HTTP_TOKEN_REFUSED");
  const refused = await say(world, "test.stop", [7]);
  assert.match(refused.fault?.text ?? "", /^BELFRY_FORBIDDEN: /);
  assert.equal(world.api.calls, []);
  assert.is((await say(world, "test.stop", [7], { authorization: "Bearer belfry_right" })).value, "stopped");
});

test("a spent budget is 429 with the time to wait and a fault", async () => {
  await using world = await xmlWorld();
  const answer = await post(world, callOf("test.spent"));
  assert.equal([answer.status, answer.headers["retry-after"]], [429, "7"]);
  assert.match((await read(answer)).fault?.text ?? "", /^BELFRY_BUDGET_SPENT: /);
});

test("how values are written is chosen by the query or by the options", async () => {
  const plain = { colour: "red\r\nplain \ufffd", later: 1_795_416_278_119, list: [""] };
  const nil = { ...plain, none: null, list: [null] };
  await using world = await xmlWorld();
  const wide = async (query: string) => (await say(world, "test.wide", [], {}, `/xmlrpc${query}`)).value;
  assert.equal(await wide(""), plain);
  assert.equal(await wide("?nil=0&i8=false&base64=no"), plain);
  assert.equal(await wide("?nil=1"), nil);
  assert.equal(
    ((await wide("?base64=1")) as { colour: Buffer }).colour.toString(),
    "\u001b[31mred\u001b[0m\r\nplain \u0001",
  );
  assert.match((await post(world, callOf("test.wide"))).body, "<double>1795416278119</double>");
  const long = (await post(world, callOf("test.wide"), {}, "/xmlrpc?i8=1")).body;
  assert.match(long, "<i8>1795416278119</i8>");
  await using other = await xmlWorld({ nil: true, i8: true, base64: true });
  const { body } = await post(other, callOf("test.wide"));
  for (const tag of ["<nil/>", "<i8>1795416278119</i8>", "<base64>"]) assert.match(body, tag);
  assert.equal(await say(other, "test.wide", [], {}, "/xmlrpc?nil=0&base64=0"), { status: 200, value: plain });
});

test("the signal of a call aborts when its client has gone", async () => {
  let signal: AbortSignal | undefined;
  const api = new FakeApi([
    method("test.wait", z.object({}), (_params, given) => {
      signal = given;
      return new Promise((_resolve, reject) => given.addEventListener("abort", () => reject(given.reason)));
    }),
  ]);
  await using world = await xmlWorld({}, api);
  const body = callOf("test.wait");
  const line = new Line(world.port).send(
    `POST /xmlrpc HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  await eventually(() => signal !== undefined);
  line.socket.destroy();
  await eventually(() => signal?.aborted === true);
  assert.is((await say(world, "no.such")).fault?.code, -32601);
  assert.not.ok(world.log.some(({ level }) => level === "error"));
});

test("large bodies and answers leave turns to others", async () => {
  await using world = await xmlWorld();
  const values = "<value><struct><member><name>a</name><value>b</value></member></struct></value>".repeat(9_000);
  const order: string[] = [];
  const large = post(world, callOf("test.echo", `<value><array><data>${values}</data></array></value>`)).then(
    (answer) => {
      order.push("large");
      return answer;
    },
  );
  let small = 0;
  while (order.length === 0) {
    await say(world, "test.echo", ["small"]);
    small += 1;
  }
  assert.is((await read(await large)).value.length, 9_000);
  assert.ok(small > 3, `${small} small ones were answered meanwhile`);
});

test("another path can be chosen, and stopping gives it back", async () => {
  await using world = await xmlWorld({ path: "/RPC2" });
  assert.is((await post(world, hello, {}, "/RPC2")).body, helloAnswer);
  assert.match((await ask(world.url)).body, "/RPC2/*  (POST)  XML-RPC");
  const second = world.create(xmlrpc, { path: "/RPC2" });
  const error = await rejects(second.start(new AbortController().signal));
  assert.is((error as { code: string }).code, "BELFRY_HTTP_PATH_TAKEN");
  await world.services[1]?.stop();
  assert.is((await post(world, hello, {}, "/RPC2")).status, 404);
  await world.services[1]?.stop();
});

test("without an HTTP server in the configuration the start says what to add", async () => {
  await using world = new World(exampleApi(), [xmlrpcPlugin]);
  const service = world.create(xmlrpc, {});
  await service.stop();
  const error = (await rejects(service.start(new AbortController().signal))) as { code: string; fix: string };
  assert.is(error.code, "BELFRY_XMLRPC_NO_HTTP");
  assert.match(error.fix, "http()");
});

test("no bytes make it say anything but an answer of XML-RPC or a 4xx, and it lives", async () => {
  await using world = await xmlWorld();
  const names = fc.constantFrom(
    "test.echo",
    "test.add",
    "test.throws",
    "system.multicall",
    "getBuild",
    "system.methodHelp",
    "x",
  );
  const values = fc.array(fc.jsonValue(), { maxLength: 3 });
  const call = fc.record({ methodName: names, params: values });
  const calls = fc
    .tuple(
      names,
      fc.oneof(
        values,
        fc.array(call).map((calls) => [calls]),
      ),
    )
    .map(async ([name, params]) =>
      callOf(name, ...(await Promise.all(params.map((param) => encoded(param, { nil: true }))))),
    );
  const tags = fc.constantFrom(
    ..."methodCall methodName params param value int i8 double boolean string base64 dateTime.iso8601 nil ex:nil array data struct member name fault".split(
      " ",
    ),
  );
  const soup = fc
    .array(
      fc.oneof(
        tags.map((tag) => `<${tag}>`),
        tags.map((tag) => `</${tag}>`),
        tags.map((tag) => `<${tag}/>`),
        fc.string({ maxLength: 5 }),
      ),
    )
    .map((parts) => Promise.resolve(`<?xml version="1.0"?>${parts.join("")}`));
  const damage = fc.option(fc.tuple(fc.nat(), fc.nat(255)), { nil: undefined });
  const proper = async (body: string | Buffer) => {
    const answer = await post(world, body);
    assert.ok(answer.status === 200 || (answer.status >= 400 && answer.status < 500), `${answer.status}`);
    await read(answer);
  };
  await fc.assert(
    fc.asyncProperty(fc.oneof(calls, soup), damage, async (text, harm) => {
      const bytes = Buffer.from(await text);
      if (harm !== undefined) bytes[harm[0] % bytes.length] = harm[1];
      await proper(bytes);
    }),
    { numRuns: 500 },
  );
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), (bytes) => proper(Buffer.from(bytes))),
    { numRuns: 200 },
  );
  assert.is(await valueOf(world, "test.echo", "alive"), "alive");
});

test.run();
