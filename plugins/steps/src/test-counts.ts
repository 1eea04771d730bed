import { plainLine } from "./line-patterns.ts";

/** What runners say of their tests; `total` where it is said and not only its parts. */
export interface TestCounts {
  total?: number;
  passed?: number;
  failed?: number;
  skipped?: number;
}

type Part = keyof TestCounts;

const MOST_FAILING = 100;

/** Closing lines with one figure, by runner. */
const SINGLE: [pattern: RegExp, part: Part][] = [
  // TAP and node:test
  [/^(?:#|ℹ) tests (\d+)$/, "total"],
  [/^(?:#|ℹ) pass (\d+)$/, "passed"],
  [/^(?:#|ℹ) fail (\d+)$/, "failed"],
  [/^(?:#|ℹ) (?:skipped|todo|cancelled) (\d+)$/, "skipped"],
  // uvu
  [/^ {2}Total: +(\d+)$/, "total"],
  [/^ {2}Passed: +(\d+)$/, "passed"],
  [/^ {2}Skipped: +(\d+)$/, "skipped"],
  // Mocha
  [/^ {2}(\d+) passing \(/, "passed"],
  [/^ {2}(\d+) failing$/, "failed"],
  [/^ {2}(\d+) pending$/, "skipped"],
  // Python's unittest
  [/^Ran (\d+) tests? in /, "total"],
  // GoogleTest
  [/^\[={10}\] (\d+) tests? from \d+ test (?:suites?|cases?) ran\./, "total"],
  [/^\[ {2}PASSED {2}\] (\d+) tests?\.$/, "passed"],
  [/^\[ {2}FAILED {2}\] (\d+) tests?, listed below:$/, "failed"],
  // PHPUnit
  [/^OK \((\d+) tests?, \d+ assertions?\)$/, "passed"],
];

/** Words beside a figure. */
const WORDS: Record<string, Part> = {
  total: "total",
  tests: "total",
  examples: "total",
  example: "total",
  passed: "passed",
  xfailed: "passed",
  failed: "failed",
  failures: "failed",
  failure: "failed",
  error: "failed",
  errors: "failed",
  skipped: "skipped",
  todo: "skipped",
  ignored: "skipped",
  pending: "skipped",
  deselected: "skipped",
};

/** Closing lines with several figures, each before or behind its word. */
const SEVERAL: RegExp[] = [
  // pytest: "=== 1 failed, 2 passed in 0.10s ===", also without a terminal's rule
  /^=* ?((?:\d+ [a-z]+, )*\d+ (?:passed|failed|errors?|skipped|deselected|xfailed|xpassed|warnings?)) in [\d.]+s/,
  // Jest, Vitest
  /^Tests: +(.*\d+ total)$/,
  /^ *Tests {2}(.*) \(\d+\)$/,
  // cargo
  /^test result: \w+\. (\d+ passed; \d+ failed; \d+ ignored;)/,
  // RSpec
  /^(\d+ examples?, \d+ failures?(?:, \d+ pending)?)/,
  // unittest, after its total
  /^(?:FAILED|OK) \(((?:\w+=\d+(?:, )?)+)\)$/,
  // Maven, whose lines for single classes say how long they took
  /^(?:\[\w+\] )?(Tests run: \d+, Failures: \d+, Errors: \d+, Skipped: \d+)$/,
  // PHPUnit
  /^(Tests: \d+, Assertions: \d+(?:, \w+: \d+)*)\.$/,
];

/** Lines that name a test that failed. */
const FAILING: RegExp[] = [
  /^ *not ok \d+ -? ?(?<name>.+?)(?: # .*)?$/,
  /^FAILED (?<name>\S+::.+?)(?: - .*)?$/,
  /^(?:FAIL|ERROR): (?<name>\w+ \(.+\))$/,
  /^test (?<name>\S+) \.\.\. FAILED$/,
  /^ *--- FAIL: (?<name>\S+) \(/,
  /^\[ {2}FAILED {2}\] (?<name>\w[\w/]*\.[\w/]+)(?:, where .*)?$/,
  /^rspec (?<name>\S+:\d+) # /,
  /^ *FAIL {2}(?<name>.+ {2}".+")$/,
  /^\t *\d+ - (?<name>.+) \((?:Failed|Timeout|SEGFAULT|.*Exception.*)\)$/,
];

/** Reads what test runners print, line by line. Figures of several runs in one command are added up. */
export class TestReader {
  readonly #more: readonly RegExp[];
  readonly #counts: TestCounts = {};
  readonly #failing = new Set<string>();
  readonly #go = { passed: 0, failed: 0 };

  /** `failing` are patterns of lines that name a failed test besides those that are known. */
  constructor(failing: readonly RegExp[]) {
    this.#more = failing;
  }

  get failing(): string[] {
    return [...this.#failing];
  }

  /** What is known; `undefined` if no runner said anything. */
  get counts(): Required<TestCounts> | undefined {
    const said = Object.keys(this.#counts).length > 0;
    const { passed, failed, skipped = 0, total }: TestCounts = said ? this.#counts : this.#go;
    if (!said && this.#go.passed + this.#go.failed === 0) return undefined;
    const all = total ?? (passed ?? 0) + (failed ?? 0) + skipped;
    const good = passed ?? Math.max(0, all - (failed ?? 0) - skipped);
    return { total: all, passed: good, failed: failed ?? Math.max(0, all - good - skipped), skipped };
  }

  line(text: string): void {
    const line = plainLine(text).trimEnd();
    if (line === "") return;
    this.#readCounts(line);
    if (this.#failing.size >= MOST_FAILING) return;
    for (const pattern of [...FAILING, ...this.#more]) {
      const match = pattern.exec(line);
      const name = match?.groups?.["name"] ?? match?.[1];
      if (name !== undefined) this.#failing.add(name.trim());
    }
  }

  #readCounts(line: string): void {
    for (const [pattern, part] of SINGLE) this.#add(part, pattern.exec(line)?.[1]);
    for (const pattern of SEVERAL) {
      const figures = pattern.exec(line)?.[1];
      if (figures === undefined) continue;
      for (const [, before, after] of figures.matchAll(/(\d+ [A-Za-z]+)|([A-Za-z ]+[=:] ?\d+)/g)) {
        const figure = /\d+/.exec(before ?? after ?? "")?.[0];
        const word = (before ?? after ?? "")
          .replace(/[\d=:]/g, "")
          .trim()
          .toLowerCase();
        const part = word === "tests run" ? "total" : WORDS[word];
        if (part) this.#add(part, figure);
      }
    }
    const ctest = /^\d+% tests passed, (\d+) tests? failed out of (\d+)$/.exec(line);
    this.#add("failed", ctest?.[1]);
    this.#add("total", ctest?.[2]);
    // Go has no closing line with figures; it names each test if it is told to.
    if (/^ *--- PASS: /.test(line)) this.#go.passed += 1;
    else if (/^ *--- FAIL: /.test(line)) this.#go.failed += 1;
  }

  #add(part: Part, figure: string | undefined): void {
    if (figure !== undefined) this.#counts[part] = (this.#counts[part] ?? 0) + Number(figure);
  }
}
