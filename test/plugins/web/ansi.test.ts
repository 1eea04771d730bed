import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { written } from "../../../plugins/web/src/html.ts";
import { ansiText, plainText } from "../../../plugins/web/src/parts/ansi.ts";

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

test("what moves, hides or links does nothing", () => {
  assert.is(
    shown("a\u001b[2Jb\u001b[10;3Hc\u001b[8md\u001b]8;;http://evil.example\u0007e\u001b]8;;\u001b\\f\u001b(Bg\u001bMh"),
    "abcdefgh",
  );
  assert.is(shown("\u001b]0;title"), "");
  assert.is(shown("10 %\r100 %\r"), "100 %");
  assert.is(shown("a\u202eb\u0008c\u0000"), "a\ufffdb\ufffdc\ufffd");
});

test("whatever a line holds is text, and its plain form has the same", () => {
  const pieces = fc.constantFrom("\u001b", "[", "]", ";", "m", "31", "<b>", "&", "\u0007", "\\", "38", "5", "x", " ");
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 30 }), (parts) => {
      const line = parts.join("");
      const html = shown(line);
      assert.not.match(html.replace(/<\/?span[^<>]*>/g, ""), "<");
      const text = html
        .replace(/<[^>]*>/g, "")
        .replace(/&lt;/g, "<")
        .replace(/&amp;/g, "&");
      assert.is(text, plainText(line));
    }),
  );
});

test.run();
