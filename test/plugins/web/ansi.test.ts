import { readFileSync } from "node:fs";
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { written } from "../../../plugins/web/src/html.ts";
import { ansiLine, ansiText, lookAfter, plainText } from "../../../plugins/web/src/parts/ansi.ts";

const test = suite("lines of logs");

const shown = (line: string) => written(ansiText(line));

test("colours and weights become classes", () => {
  assert.is(shown("a \u001b[31mred\u001b[0m b"), 'a <span class="fg1">red</span> b');
  assert.is(shown("\u001b[1;92;44mx"), '<span class="fg10 bg4 bold">x</span>');
  assert.is(shown("\u001b[1mx\u001b[22my"), '<span class="bold">x</span>y');
  assert.is(
    shown("\u001b[38;5;196mx\u001b[39m \u001b[38;2;0;200;0my"),
    '<span class="fg9">x</span> <span class="fg10">y</span>',
  );
});

test("a line that is made to take long takes no longer than others of its length", () => {
  const many = 2_000_000;
  const returns = `${"\r".repeat(many)}x`;
  assert.is(plainText(returns), "x");
  assert.is(shown(returns), "x");
  const address = `https://example.com/${")".repeat(many)}x`;
  assert.is(shown(address), `<a href="${address}" rel="noreferrer nofollow ugc">${address}</a>`);
  assert.equal(lookAfter(`\u001b[${"38;".repeat(1_000)}1m`, {}), { fg: undefined, bold: true });
});

test("all sixteen colours, 256 and true ones, with colons too, have a class of the sixteen", () => {
  const classOf = (codes: string) => /class="([^"]*)"/.exec(shown(`\u001b[${codes}mx`))?.[1];
  assert.equal(
    Array.from({ length: 8 }, (_, i) => [classOf(`3${i}`), classOf(`9${i}`), classOf(`4${i}`), classOf(`10${i}`)]),
    Array.from({ length: 8 }, (_, i) => [`fg${i}`, `fg${i + 8}`, `bg${i}`, `bg${i + 8}`]),
  );
  for (const [codes, name] of Object.entries({
    "38;5;208": "fg11",
    "38;5;240": "fg8",
    "38;5;250": "fg7",
    "38;5;255": "fg15",
    "38;5;16": "fg0",
    "38;2;255;0;0;1": "fg9 bold",
    "38:2::255:0:0": "fg9",
    "38:2:255:0:0": "fg9",
    "38:5:21": "fg12",
    "48;5;22;31": "fg1 bg2",
    "48;2;90;90;95": "bg8",
    "4:3": "under",
    "9;3": "italic strike",
    "7": "inverse",
    "7;31": "bg1",
    "7;31;42": "fg2 bg1",
  }))
    assert.is(classOf(codes), name, codes);
  for (const codes of ["38;5;999999", "38", "38;5", "38;2;1", "58;2;1;2;3", "999", ";;;", "4:0", "1;22", "8", "5"])
    assert.match(shown(`\u001b[${codes}mx`), /x/, codes);
  assert.is(shown("\u001b[8mhidden"), "hidden");
});

test("the stylesheet has every colour, and each can be read on each ground, light and dark", () => {
  const style = readFileSync(new URL("../../../plugins/web/assets/web.css", import.meta.url), "utf8");
  const colours = (name: string, what: string) => {
    const rule = new RegExp(
      `(?:^|\\n)\\.${name}(?:,\\n[^{]*)? \\{\\n  ${what}: light-dark\\((#\\w+), (#\\w+)\\);`,
    ).exec(style);
    assert.ok(rule, `.${name}`);
    return [rule?.[1] ?? "", rule?.[2] ?? ""];
  };
  const light = (colour: string) => {
    const [r = 0, g = 0, b = 0] = [1, 3, 5]
      .map((at) => Number.parseInt(colour.slice(at, at + 2), 16) / 255)
      .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a: number, b: number) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const grounds = [
    ["#f3f5f7", "#1e2329"],
    ["#fff6d6", "#2b2812"],
    ...Array.from({ length: 8 }, (_, i) => colours(`bg${i}`, "background")),
  ];
  for (let fg = 0; fg < 16; fg++) {
    const front = colours(`fg${fg}`, "color");
    for (const ground of grounds)
      for (const theme of [0, 1]) {
        const found = contrast(light(front[theme] ?? ""), light(ground[theme] ?? ""));
        assert.ok(found >= 4.5, `fg${fg} ${front[theme]} on ${ground[theme]}: ${found.toFixed(2)}`);
      }
  }
});

test("what moves, erases, hides or names windows does nothing", () => {
  assert.is(
    shown(
      "a\u001b[2Jb\u001b[10;3Hc\u001b[8md\u001b[1A\u001b[2Ke\u001b]0;title\u0007f\u001b(Bg\u001bMh\u001bP1;2|x\u001b\\i\u001bcj",
    ),
    "abcdefghij",
  );
  assert.is(shown("\u001b]0;without an end"), "0;without an end");
  assert.is(shown("\u001bPwithout an end"), "without an end");
  assert.is(shown("\u001b[?1049h\u001b[?25l\u001b[6n\u001b[5i"), "");
  assert.is(shown("a\u202eb\u0008c\u0000\u009b31m\u200f"), "a\ufffdb\ufffdc\ufffd\ufffd31m\ufffd");
});

test("links go where it is safe, and say where if their text does not", () => {
  const link = (address: string, text: string) =>
    shown(`\u001b]8;id=1;${address}\u001b\\${text}\u001b]8;;\u001b\\ end`);
  assert.is(
    link("https://example.org/a?b=1", "text"),
    '<a href="https://example.org/a?b=1" data-host="example.org" title="https://example.org/a?b=1" rel="noreferrer nofollow ugc">text</a> end',
  );
  assert.not.match(link("https://example.org/", "https://example.org/"), "data-host");
  assert.match(link("https://evil.example/", "https://good.example/"), 'data-host="evil.example"');
  assert.match(link("mailto:ann@example.org", "Ann"), 'data-host="mailto:ann@example.org"');
  for (const bad of [
    "javascript:alert(1)",
    "data:text/html,x",
    "file:///etc/passwd",
    "//evil.example",
    "ssh://x",
    "https://",
    "/do/stop",
  ])
    assert.is(link(bad, "text"), "text end", bad);
  assert.is(
    shown('\u001b]8;;https://a.example/"><script>\u0007x'),
    '<a href="https://a.example/&quot;>&lt;script>" data-host="a.example" title="https://a.example/&quot;>&lt;script>" rel="noreferrer nofollow ugc">x</a>',
  );
  assert.is(
    shown("see (https://example.org/x), or http://a.example."),
    'see (<a href="https://example.org/x" rel="noreferrer nofollow ugc">https://example.org/x</a>), or <a href="http://a.example" rel="noreferrer nofollow ugc">http://a.example</a>.',
  );
});

test("a progress line shows its last state, and keeps what it has overwritten", () => {
  assert.is(shown("done\r"), "done");
  assert.is(
    shown("10 %\r\u001b[32m100 %\u001b[0m\r"),
    '<span class="fg2">100 %</span><i class="redrawn" title="10 %">redrawn 1×</i>',
  );
  assert.match(shown("1\r2\r3\u001b[K\r\u001b[K"), /^3<i class="redrawn" title="1\n2">redrawn 2×/);
  assert.is(plainText("10 %\r\u001b[32m100 %\u001b[0m\r"), "100 %");
});

test("a colour goes on in the next line until something ends it", () => {
  const first = ansiLine("a \u001b[1;31mred");
  assert.is(written(ansiLine("still", { look: first.look }).body), '<span class="fg1 bold">still</span>');
  assert.equal(lookAfter("a \u001b[1;31mred", {}), first.look);
  assert.equal(lookAfter("x\u001b[39my", first.look), { fg: undefined, bold: true });
  assert.equal(lookAfter("\u001b[m", first.look), {});
});

test("a line of any number of pieces has few elements, and its marks are counted with them", () => {
  const rainbow = Array.from({ length: 3_000 }, (_, i) => `\u001b[3${i % 8}m${i}`).join("");
  const { body, nodes } = ansiLine(rainbow);
  assert.ok(nodes <= 60, String(nodes));
  assert.is(written(body).match(/<span/g)?.length, nodes);
  assert.is(written(body).replace(/<[^>]*>/g, ""), plainText(rainbow));
  const marked = ansiLine("Error \u001b[31merror\u001b[0m http://error.example/", { mark: "ERROR" });
  assert.is(written(marked.body).match(/<\w/g)?.length, marked.nodes);
  assert.match(written(marked.body), '<mark>Error</mark> <span class="fg1"><mark>error</mark></span>');
  assert.ok(ansiLine("aA".repeat(4_000), { mark: "a" }).nodes <= 60);
  assert.ok(ansiLine("http://a.b ".repeat(900), {}).nodes <= 60);
});

test("whatever a line holds is text, and its plain form has the same", () => {
  const pieces = fc.constantFrom(
    "\u001b",
    "[",
    "]",
    ";",
    "m",
    "31",
    "<b>",
    "&",
    "\u0007",
    "\\",
    "38",
    "5",
    "x",
    " ",
    "8;;",
    "http://a.b",
  );
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 30 }), (parts) => {
      const line = parts.join("");
      const html = shown(line);
      assert.not.match(html.replace(/<\/?(span|a)( [^<>]*)?>/g, ""), "<");
      const text = html
        .replace(/<[^>]*>/g, "")
        .replace(/&lt;/g, "<")
        .replace(/&amp;/g, "&");
      assert.is(text, plainText(line));
    }),
  );
});

test.run();
