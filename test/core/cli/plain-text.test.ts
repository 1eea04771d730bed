import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readBuildRef } from "../../../core/src/cli/build-ref.ts";
import { makePaint, wantsColour } from "../../../core/src/cli/paint.ts";
import { fit, logLine, oneLine, pad, widthOf } from "../../../core/src/cli/plain-text.ts";
import { table } from "../../../core/src/cli/table.ts";
import { clockText, timeText } from "../../../core/src/cli/time-text.ts";

const test = suite("text for terminals");

const ATTACKS: [string, string][] = [
  ["cleared \u001b[2Jscreen", "clears the screen"],
  ["moved \u001b[10;10Hcursor", "moves the cursor"],
  ["title \u001b]0;owned\u0007set", "sets the title"],
  ["title \u001b]0;owned\u001b\\set", "sets the title, ended by ST"],
  ["unended \u001b]0;owned", "begins a string that never ends"],
  ["clipboard \u001b]52;c;ZXZpbA==\u0007", "writes the clipboard"],
  ["device \u001bP+q544e\u001b\\", "asks the terminal"],
  ["c1 \u009b2J and \u009d0;x\u009c", "uses C1 instead of ESC"],
  ["single \u001bc", "resets the terminal"],
  ["bell \u0007 back \u0008 del \u007f nul \u0000", "holds single controls"],
  ["lines\nmore\r\nmore\u2028still\u0085end", "holds line ends"],
  ["half \u001b[", "ends within a sequence"],
  ["escaped \u001b\u001b[2J", "escapes an escape"],
];

for (const [text, what] of ATTACKS) {
  test(`a name that ${what} becomes one harmless line`, () => {
    assert.not.match(oneLine(text), /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/);
    assert.not.match(logLine(text, true), /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/);
    assert.match(oneLine(text), text.slice(0, 2));
  });
}

test("a name loses its colours, and what turns the direction of reading", () => {
  assert.is(oneLine("a\u001b[31mb\u001b[0m"), "a b");
  assert.is(oneLine("abc\u202egpj.exe\u2066"), "abcgpj.exe");
  assert.is(logLine("abc\u202egpj.exe", false), "abcgpj.exe");
});

test("a long name is cut", () => {
  assert.is(oneLine("x".repeat(1_000_000), 10), "xxxxxxxxx…");
});

test("a log line keeps its colours where they are wanted, and they end with it", () => {
  assert.is(logLine("\u001b[1;31mred", true), "\u001b[1;31mred\u001b[0m");
  assert.is(logLine("\u001b[38:2::1:2:3mred", true), "\u001b[38:2::1:2:3mred\u001b[0m");
  assert.is(logLine("\u001b[1;31mred\u001b[0m", false), "red");
  assert.is(logLine("a\tb\r", true), "a    b");
});

test("a line overwritten with carriage returns hides nothing", () => {
  assert.is(logLine("evil\rgood", true), "evil good");
});

test("a hostile line of any length is done with at once", () => {
  for (const unit of ["\u001b", "\u001b[", "\u001b]", "\u001b[1;", "\u009d\u001b", "\u001b[ ", "\u001bP\u001b"]) {
    assert.not.match(logLine(unit.repeat(200_000), true), /[\u0000-\u001f\u007f-\u009f]/);
  }
});

test("widths count what a terminal shows", () => {
  assert.is(widthOf("abc"), 3);
  assert.is(widthOf("日本"), 4);
  assert.is(widthOf("e\u0301"), 1);
  assert.is(widthOf("🚀"), 2);
  assert.is(widthOf("\u001b[31mabc\u001b[39m"), 3);
});

test("a text is cut to columns, never through a wide character, and its colours end", () => {
  assert.is(fit("abcdef", 6), "abcdef");
  assert.is(fit("abcdef", 5), "abcd…");
  assert.is(fit("日本語", 6), "日本語");
  assert.is(fit("日本語", 5), "日本…");
  assert.is(fit("日本語", 4), "日…");
  assert.is(fit("\u001b[31mabcdef\u001b[39m", 4), "\u001b[31mabc…\u001b[0m");
  assert.is(fit("\u001b[31mabc\u001b[39m", 3), "\u001b[31mabc\u001b[39m");
  assert.is(fit("abc", 0), "");
  for (let width = 0; width < 12; width += 1)
    assert.ok(widthOf(fit("a日b\u001b[1m🚀c語d", width)) <= width, String(width));
});

test("tables keep their columns with wide characters, and fit a terminal", () => {
  assert.equal(
    table(
      ["A", "B"],
      [
        ["日本", "x"],
        ["abc", "y"],
      ],
      undefined,
    ),
    ["A     B", "日本  x", "abc   y"],
  );
  assert.equal(table(["A", "B"], [["abc", "long text"]], 8), ["A    B", "abc  lo…"]);
  assert.is(pad("日", 4), "日  ");
});

test("times read well at every size", () => {
  const texts = [0, 999, 1_000, 59_949, 59_950, 60_000, 3_599_000, 3_600_000, 90_061_000].map(timeText);
  assert.equal(texts, [
    "0 ms",
    "999 ms",
    "1.0 s",
    "59.9 s",
    "1 min 00 s",
    "1 min 00 s",
    "59 min 59 s",
    "1 h 00 min",
    "25 h 01 min",
  ]);
  assert.equal([-5, 0, 34_900, 3_723_000].map(clockText), ["0:00", "0:00", "0:34", "1:02:03"]);
});

test("a build is named by its id, or by builder and number", () => {
  assert.equal(readBuildRef(["17", "2", "x"]), { ref: { build: 17 }, rest: ["2", "x"] });
  assert.equal(readBuildRef(["tests", "17", "x"]), { ref: { builder: "tests", number: 17 }, rest: ["x"] });
  assert.equal(readBuildRef(["tests"]), { ref: { builder: "tests", number: -1 }, rest: [] });
  assert.equal(readBuildRef(["tests", "last", "2"]), { ref: { builder: "tests", number: -1 }, rest: ["2"] });
  assert.throws(() => readBuildRef(["tests", "x"]), /no number of a build/);
});

test("colours are for terminals of people who do not object", () => {
  assert.ok(wantsColour(true, {}));
  assert.not(wantsColour(false, {}));
  assert.not(wantsColour(true, { NO_COLOR: "1" }));
  assert.ok(wantsColour(true, { NO_COLOR: "" }));
  assert.not(wantsColour(true, { TERM: "dumb" }));
  assert.is(makePaint(false).red("a"), "a");
  assert.is(makePaint(true).result("failure"), "\u001b[31mfailure\u001b[39m");
  assert.is(makePaint(true).result(null, "x"), "x");
});

test.run();
