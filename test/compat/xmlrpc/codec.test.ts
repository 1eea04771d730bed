import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { textOf } from "../../../compat/xmlrpc/src/codec/charset.ts";
import { Double, decimal } from "../../../compat/xmlrpc/src/codec/numbers.ts";
import { cleaned, isSendable, partsOf } from "../../../compat/xmlrpc/src/codec/text.ts";
import { rejects } from "../../plugins/http/world.ts";
import { callOf, decoded, encoded, LIMITS } from "./world.ts";

const test = suite("XML-RPC's values");

const codeOf = async (work: Promise<unknown>) => ((await rejects(work)) as { code: string }).code;
const back = async (xml: string) => (await decoded(callOf("m", xml))).params[0];
/** A value as a client may write it. */
const of = (xml: string) => back(`<value>${xml}</value>`);
const refused = (xml: string) => codeOf(of(xml));

const text = fc.string({ unit: "binary", maxLength: 40 }).filter(isSendable);
const name = text.filter((name) => name !== "__proto__");
const carried = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    text,
    fc.integer(),
    fc.maxSafeInteger(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.boolean(),
    fc.constant(null),
    fc
      .date({ min: new Date("0001-01-01T00:00:00Z"), max: new Date("9999-12-31T23:59:59Z"), noInvalidDate: true })
      .map((date) => new Date(Math.floor(date.getTime() / 1_000) * 1_000)),
    fc.uint8Array().map((bytes) => Buffer.from(bytes)),
    fc.array(tie("value")),
    fc.dictionary(name, tie("value"), { noNullPrototype: true }),
  ),
})).value;

test("what the tongue can carry comes back as it was", async () => {
  await fc.assert(
    fc.asyncProperty(carried, async (value) => {
      assert.equal(await back(await encoded(value, { nil: true })), value);
      const same = await back(await encoded(value, { nil: true, i8: true, base64: true }));
      assert.equal(same, value);
    }),
    { numRuns: 500 },
  );
});

test("large values come back as they were, and others get their turn meanwhile", async () => {
  const value = {
    list: Array.from({ length: 20_000 }, (_, i) => ({ i, text: `é😀${i}` })),
    deep: [[[Array.from({ length: 1_000 }, (_, i) => [i])]]],
    ["name".repeat(100)]: Object.fromEntries(Array.from({ length: 2_000 }, (_, i) => [`k${i}`, i])),
    text: "😀<&>\r\n]]>".repeat(50_000),
    empty: ["", [], {}],
  };
  let turns = 0;
  let on = true;
  const count = () => {
    turns += 1;
    if (on) setImmediate(count);
  };
  count();
  const xml = await encoded(value);
  const whileEncoding = turns;
  const same = await back(xml);
  on = false;
  assert.equal(same, value);
  assert.ok(whileEncoding > 5, `${whileEncoding} turns while encoding`);
  assert.ok(turns - whileEncoding > 5, `${turns - whileEncoding} turns while decoding`);
});

test("a number in digits is the same number, without an exponent", () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      const digits = decimal(value);
      assert.match(digits, /^-?\d+(\.\d+)?$/);
      assert.ok(Object.is(Number(digits), value), `${value} became ${digits}`);
    }),
    { numRuns: 2_000 },
  );
  const pairs: [number, string][] = [
    [1e21, "1000000000000000000000"],
    [-1.5e-9, "-0.0000000015"],
    [123e-7, "0.0000123"],
    [1.7976931348623157e308, `17976931348623157${"0".repeat(292)}`],
    [-0, "-0.0"],
  ];
  for (const [value, digits] of pairs) assert.is(decimal(value), digits);
});

test("integers beyond 32 bits are doubles, or i8 if asked for; never <int>", async () => {
  const wire: [unknown, string, string][] = [
    [2_147_483_647, "<int>2147483647</int>", "<int>2147483647</int>"],
    [-2_147_483_648, "<int>-2147483648</int>", "<int>-2147483648</int>"],
    [2_147_483_648, "<double>2147483648</double>", "<i8>2147483648</i8>"],
    [1_795_416_278_119, "<double>1795416278119</double>", "<i8>1795416278119</i8>"],
    [-2_147_483_649, "<double>-2147483649</double>", "<i8>-2147483649</i8>"],
    [1e21, "<double>1000000000000000000000</double>", "<double>1000000000000000000000</double>"],
    [-0, "<double>-0.0</double>", "<double>-0.0</double>"],
    [new Double(5), "<double>5</double>", "<double>5</double>"],
  ];
  for (const [value, plain, long] of wire) {
    assert.is(await encoded(value), `<value>${plain}</value>`);
    assert.is(await encoded(value, { i8: true }), `<value>${long}</value>`);
  }
});

test("nothing is nil only if asked for", async () => {
  const value = { a: null, b: [null, undefined], c: undefined };
  assert.equal(await back(await encoded(value)), { b: ["", ""] });
  assert.is(await encoded(null), "<value><string/></value>");
  assert.equal(await back(await encoded(value, { nil: true })), { a: null, b: [null, null] });
});

test("dates are UTC, whatever the zone of the machine", async () => {
  const zone = process.env.TZ;
  try {
    for (const place of ["UTC", "America/New_York", "Asia/Kolkata"]) {
      process.env.TZ = place;
      const date = new Date("2026-07-29T10:20:30Z");
      assert.is(await encoded(date), "<value><dateTime.iso8601>20260729T10:20:30</dateTime.iso8601></value>", place);
      for (const written of [
        "20260729T10:20:30",
        "2026-07-29T10:20:30",
        "20260729T102030",
        "20260729T10:20:30Z",
        "20260729T12:20:30+02:00",
        "20260729T12:20:30+0200",
        "20260729T05:20:30-05",
        "20260729T10:20:30.000",
      ])
        assert.equal(await of(`<dateTime.iso8601>${written}</dateTime.iso8601>`), date, `${written} in ${place}`);
    }
  } finally {
    if (zone === undefined) delete process.env.TZ;
    else process.env.TZ = zone;
  }
});

test("text that XML cannot carry is cleaned, or base64 if asked for", async () => {
  const log = "\u001b[1;31mred\u001b[0m \u001b]8;;http://x\u0007link\u001b]8;;\u0007\r\n\u0000\u0008\ufffe\ud800 é😀\t";
  assert.is(await back(await encoded(log)), "red link\r\n\ufffd\ufffd\ufffd\ufffd é😀\t");
  const bytes = (await back(await encoded(log, { base64: true }))) as Buffer;
  assert.is(bytes.toString("utf8"), log.toWellFormed());
  assert.is(await back(await encoded("fine\r\n", { base64: true })), "fine\r\n");
  assert.match(await encoded("a\rb"), /a&#x?D;b/i);
});

test("any text can be sent, at any length, cut anywhere", async () => {
  const any = fc.string({
    unit: fc.constantFrom(
      "\u001b",
      "[",
      "3",
      "1",
      "m",
      "]",
      "\u0007",
      "\\",
      "\ud83d",
      "\ude00",
      "\0",
      "\r",
      "<",
      "&",
      "é",
      "x",
    ),
    maxLength: 200,
  });
  await fc.assert(
    fc.asyncProperty(any, fc.integer({ min: 1, max: 20 }), async (some, size) => {
      const clean = cleaned(some);
      assert.ok(isSendable(clean));
      assert.is(await back(await encoded(some)), clean);
      const parts = [...partsOf(some, size)];
      assert.is(parts.join(""), some);
      if (some.isWellFormed()) assert.ok(parts.every((part) => part.isWellFormed()));
    }),
    { numRuns: 500 },
  );
  const line = "\u001b[31m😀\u001b[0m";
  assert.is(await back(await encoded(line.repeat(20_000))), "😀".repeat(20_000));
});

test("names of members are cleaned, too, and stay different", async () => {
  const value = Object.fromEntries([
    ["a\u0001", 1],
    ["a\u0002", 2],
    ["a\ufffd", 3],
    ["\u001b[1mb", 4],
    ["b", 5],
    ["__proto__x", 6],
  ]);
  const same = (await back(await encoded(value))) as Record<string, number>;
  assert.equal(Object.values(same).sort(), [1, 2, 3, 4, 5, 6]);
  assert.equal([same["a\ufffd"], same.b, same.__proto__x], [3, 5, 6]);
  const proto = JSON.parse('{"__proto__": 1, "constructor": 2}');
  assert.is(
    await encoded(proto),
    "<value><struct><member><name>__proto__</name><value><int>1</int></value></member><member><name>constructor</name><value><int>2</int></value></member></struct></value>",
  );
});

test("what cannot be sent is refused, never sent wrongly", async () => {
  let deep: unknown = 1;
  for (let i = 0; i < 10_000; i++) deep = i % 2 === 0 ? [deep] : { deep };
  for (const value of [
    Number.NaN,
    Number.POSITIVE_INFINITY,
    12n,
    Symbol("s"),
    () => 1,
    new Date(Number.NaN),
    new Date(8e15),
    new Double(Number.NaN),
    deep,
  ]) {
    assert.is(await codeOf(encoded([value])), "BELFRY_XMLRPC_UNSENDABLE", String(typeof value));
  }
  const many = Array.from({ length: 1_000 }, () => 1);
  assert.is(await codeOf(encoded([many, { many, bad: 1n }])), "BELFRY_XMLRPC_UNSENDABLE");
});

test("each type is read by the grammar of the specification", async () => {
  const good: [string, unknown][] = [
    ["<int>+0042</int>", 42],
    ["<i4>-2147483648</i4>", -2_147_483_648],
    ["<boolean>1</boolean>", true],
    ["<double>-.5</double>", -0.5],
    ["<double>5.</double>", 5],
    ["<double>1e+16</double>", 1e16],
    ["<string>  white space \n</string>", "  white space \n"],
    ["untyped &lt;&amp;&gt;&quot;&apos;&#65;&#x1F600;", "untyped <&>\"'A😀"],
    ["", ""],
    ["<![CDATA[<raw> & ]]>more", "<raw> & more"],
    ["a<!-- nothing -->b", "ab"],
    [" \n<int>1</int>\t", 1],
    ["<base64> aGVs\nbG8= </base64>", Buffer.from("hello")],
    ["<base64></base64>", Buffer.alloc(0)],
    ["<nil/>", null],
    ["<ex:nil/>", null],
    [
      '<ex:i8 xmlns:ex="http://ws.apache.org/xmlrpc/namespaces/extensions">9007199254740991</ex:i8>',
      Number.MAX_SAFE_INTEGER,
    ],
    ["<i8>9223372036854775807</i8>", "9223372036854775807"],
    ["<ex:i1>-128</ex:i1>", -128],
    ["<ex:float>0.5</ex:float>", 0.5],
    ["<array><data/></array>", []],
    ["<struct></struct>", {}],
    [
      "<struct><member><name/><value/></member><member><name>n</name><value><int>1</int></value></member></struct>",
      { "": "", n: 1 },
    ],
    ["<struct><member><name>constructor</name><value>1</value></member></struct>", JSON.parse('{"constructor": "1"}')],
  ];
  for (const [xml, value] of good) assert.equal(await of(xml), value, xml);
  const bad = [
    ...[
      "12abc",
      "",
      " 1",
      "1 ",
      "1.0",
      "0x10",
      "2147483648",
      "-2147483649",
      "١",
      "1e3",
      "--1",
      "9".repeat(500_000),
    ].map((text) => `<int>${text}</int>`),
    ...["1.5zzz", "", ".", "NaN", "Infinity", "-inf", "1e999", "1,5", "0x1p3", " 1.5", "1 000", "1e"].map(
      (text) => `<double>${text}</double>`,
    ),
    ...["", "true", "2", " 1", "01"].map((text) => `<boolean>${text}</boolean>`),
    ...[
      "",
      "2026-07-29",
      "20260732T00:00:00",
      "20260229T00:00:00",
      "20260431T00:00:00",
      "20260729T24:00:00",
      "20260729T10:20:61",
      "20260729 10:20:30",
      "2026-0729T10:20:30",
      "20260729T10:20:30+99:00",
      "now",
      "20260729T10:20:30z",
    ].map((text) => `<dateTime.iso8601>${text}</dateTime.iso8601>`),
    ...["a", "ab=c", "====", "aGVsbG8", "aGV*bG8=", "é==="].map((text) => `<base64>${text}</base64>`),
    "<nil>x</nil>",
    "<i8>9223372036854775808</i8>",
    "<ex:i1>128</ex:i1>",
  ];
  for (const xml of bad) assert.is(await refused(xml), "BELFRY_XMLRPC_VALUE", xml.slice(0, 80));
});

test("only the tags of the specification are read, at their places", async () => {
  const wrong = [
    "<INT>1</INT>",
    "<Value>1</Value>",
    "<float>1</float>",
    "<int><int>1</int></int>",
    "<int>1</int><int>2</int>",
    "text<int>1</int>",
    "<int>1</int>text",
    "<string>a<string>b</string></string>",
    "<array></array>",
    "<array><data/><data/></array>",
    "<array><value>1</value></array>",
    "<array>x<data/></array>",
    "<array><data>x</data></array>",
    "<struct><member><name>a</name></member></struct>",
    "<struct><member><value>a</value></member></struct>",
    "<struct><member><value>a</value><name>b</name></member></struct>",
    "<struct><member><name>a</name><value>1</value><value>2</value></member></struct>",
    "<struct><name>a</name><value>1</value></struct>",
    "<struct><member><name>a<b/></name><value>1</value></member></struct>",
    "<struct><member><name>__proto__</name><value><struct><member><name>x</name><value>1</value></member></struct></value></member></struct>",
    "<struct><member><name>a</name><value>1</value></member><member><name>a</name><value>2</value></member></struct>",
    '<int base="16">1</int>',
    "<methodCall/>",
    "<constructor/>",
    "<toString/>",
    "<__proto__/>",
  ];
  for (const xml of wrong) assert.is(await refused(xml), "BELFRY_XMLRPC_NONCONFORMING", xml);
  const calls = [
    "<methodResponse><params/></methodResponse>",
    "<methodCall/>",
    "<methodCall><params/></methodCall>",
    "<methodCall><methodName/></methodCall>",
    "<methodCall><methodName>a b</methodName></methodCall>",
    "<methodCall><methodName>é</methodName></methodCall>",
    `<methodCall><methodName>${"a".repeat(1_000)}</methodName></methodCall>`,
    "<methodCall><methodName>a</methodName><methodName>b</methodName></methodCall>",
    "<methodCall><methodName>a</methodName><params/><params/></methodCall>",
    "<methodCall><methodName>a</methodName><params><value/></params></methodCall>",
    "<methodCall><methodName>a</methodName><params><param/></params></methodCall>",
    "<methodCall><methodName>a</methodName><params><param><value/><value/></param></params></methodCall>",
    "<methodCall>a<methodName>a</methodName></methodCall>",
    "<value/>",
  ];
  for (const xml of calls) assert.is(await codeOf(decoded(xml)), "BELFRY_XMLRPC_NONCONFORMING", xml);
  assert.equal(await decoded("<methodCall><methodName>a.b:c/d_1</methodName></methodCall>"), {
    method: "a.b:c/d_1",
    params: [],
  });
});

test("XML that is not well-formed is refused, and so are document types and entities", async () => {
  const call = callOf("m", "<value>1</value>");
  const laughs = `<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol">${Array.from({ length: 9 }, (_, i) => `<!ENTITY lol${i + 1} "${`&lol${i || ""};`.repeat(10)}">`).join("")}]>${call.slice(21)}`;
  const external = `<!DOCTYPE methodCall [<!ENTITY secret SYSTEM "file:///etc/passwd">]>${callOf("m", "<value>&secret;</value>").slice(21)}`;
  for (const xml of [
    "",
    " ",
    "nonsense",
    "<",
    "<methodCall>",
    "<methodCall><methodName>m</methodName></methodcall>",
    call.replace("</value>", "</Value>"),
    call.slice(0, -5),
    `${call}trailing`,
    `${call}<more/>`,
    ` ${call}`,
    call.replace("1</value>", "&lol;</value>"),
    ...["&#0;", "&#x1b;", "&#xD800;", "&#xDFFF;", "&#x110000;", "&;", "&amp"].map((text) =>
      call.replace("1</value>", `${text}</value>`),
    ),
    call.replace("1</value>", "a ]]> b</value>"),
    call.replace("1</value>", "<![CDATA[</value>"),
    call.replace("<value>", "<value a=1>"),
    `<!DOCTYPE methodCall>${call.slice(21)}`,
    laughs,
    external,
  ])
    assert.ok(
      ["BELFRY_XMLRPC_MALFORMED", "BELFRY_XMLRPC_CHARACTER"].includes(await codeOf(decoded(xml))),
      xml.slice(0, 100),
    );
  assert.is(await codeOf(decoded(laughs)), "BELFRY_XMLRPC_MALFORMED");
  for (const char of ["\0", "\u001b", "\ufffe"]) {
    assert.is(await codeOf(decoded(call.replace("1</value>", `${char}</value>`))), "BELFRY_XMLRPC_CHARACTER");
  }
});

test("depth and number of values are limited before the deserializer", async () => {
  const nested = (depth: number) => `${"<value><array><data>".repeat(depth)}${"</data></array></value>".repeat(depth)}`;
  const structs = (depth: number) =>
    `<value>${"<struct><member><name>a</name><value>".repeat(depth)}${"</value></member></struct>".repeat(depth)}</value>`;
  assert.ok(await back(nested(64)));
  assert.ok(await back(structs(64)));
  for (const xml of [nested(65), nested(10_000), structs(10_000), "<value><array><data>".repeat(10_000)])
    assert.is(await codeOf(back(xml)), "BELFRY_XMLRPC_TOO_DEEP");
  const limits = { ...LIMITS, values: 100 };
  const list = (count: number) => callOf("m", `<value><array><data>${"<value/>".repeat(count)}</data></array></value>`);
  assert.is((await decoded(list(99), limits)).params.length, 1);
  assert.is(await codeOf(decoded(list(100), limits)), "BELFRY_XMLRPC_TOO_MANY_VALUES");
  assert.is(
    await codeOf(
      decoded(
        callOf(
          "m",
          ..."x"
            .repeat(101)
            .split("")
            .map(() => "<value/>"),
        ),
        limits,
      ),
    ),
    "BELFRY_XMLRPC_TOO_MANY_VALUES",
  );
});

test("a body is read in the encoding it names", () => {
  const read = (bytes: Buffer | string, charset?: string) => textOf(Buffer.from(bytes as string), charset);
  const declared = (encoding: string) => `<?xml version="1.0" encoding="${encoding}"?><a>`;
  assert.is(read("é"), "é");
  assert.is(read("\ufeffé"), "é");
  assert.is(read(Buffer.from([0xe9]), "iso-8859-1"), "é");
  assert.is(read(Buffer.from(`${declared("ISO-8859-1")}é`, "latin1")), `${declared("ISO-8859-1")}é`);
  assert.is(read(`${declared("ISO-8859-1")}é`, "UTF-8"), `${declared("ISO-8859-1")}é`);
  const code = (work: () => unknown) => {
    try {
      work();
    } catch (error) {
      return (error as { code: string }).code;
    }
    return undefined;
  };
  for (const encoding of ["utf-16", "koi8-r", "__proto__", "utf-7"]) {
    assert.is(
      code(() => read("<a/>", encoding)),
      "BELFRY_XMLRPC_ENCODING",
      encoding,
    );
    assert.is(
      code(() => read(declared(encoding))),
      "BELFRY_XMLRPC_ENCODING",
      encoding,
    );
  }
  assert.is(
    code(() => read(Buffer.from("\ufeff<a/>", "utf16le"))),
    "BELFRY_XMLRPC_ENCODING",
  );
  for (const bytes of [
    [0xc0, 0x80],
    [0xed, 0xa0, 0x80],
    [0xf4, 0x90, 0x80, 0x80],
    [0xe2, 0x82],
  ])
    assert.is(
      code(() => read(Buffer.from(bytes))),
      "BELFRY_XMLRPC_CHARACTER",
      bytes.join(),
    );
});

test.run();
