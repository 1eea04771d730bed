import { open, stat } from "node:fs/promises";
import type { Worker } from "node:worker_threads";
import { rejects, until, within } from "@belfry/testkit";
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { LogChannel, LogReader, LogStore } from "../../../core/src/interfaces/log-store.ts";
import { LogSearch, type LogSearchOptions } from "../../../core/src/logs/search/log-search.ts";
import { PatternError, type SearchQuery } from "../../../core/src/logs/search/query.ts";
import { MemoryLogStore } from "../../plugins/testkit/memory-log-store.ts";
import { CAP, eventually, filesBelow, type LogWorld, logWorld, readAll } from "./log-world.ts";

const test = suite("search in logs");

const never = new AbortController().signal;
const KEY = "b/1/1-1";
const text = (wanted: string, ignoreCase = false): SearchQuery => ({ kind: "text", wanted, ignoreCase });
const pattern = (wanted: string, ignoreCase = false): SearchQuery => ({ kind: "pattern", wanted, ignoreCase });
const all = { first: 0, limit: 1_000 };

/** The same store as somebody else's: the search cannot know where its files are. */
function stranger(store: LogStore, lines?: (batch: number) => Promise<void>): LogStore {
  const open = async (key: string): Promise<LogReader> => {
    const reader = await store.open(key);
    return {
      info: () => reader.info(),
      lines: (first, count) => reader.lines(first, count),
      async *follow(first, signal) {
        let batch = 0;
        for await (const some of reader.follow(first, signal)) {
          await lines?.(batch++);
          yield some;
        }
      },
      raw: (signal) => reader.raw(signal),
      [Symbol.asyncDispose]: () => reader[Symbol.asyncDispose](),
    };
  };
  return { create: (key, options) => store.create(key, options), open, remove: async () => {}, seal: store.seal };
}

interface SearchWorld extends AsyncDisposable {
  search: LogSearch;
  find(query: SearchQuery, range?: { first: number; limit: number }): ReturnType<LogSearch["search"]>;
  /** The threads that were started. */
  threads: Worker[];
}

function searchWorld(store: LogStore, options: LogSearchOptions = {}): SearchWorld {
  const search = new LogSearch(store, options);
  const threads: Worker[] = [];
  const onWorker = (worker: Worker) => threads.push(worker);
  process.on("worker", onWorker);
  return {
    search,
    threads,
    find: (query, range = all) => search.search(KEY, query, range, never),
    async [Symbol.asyncDispose]() {
      process.off("worker", onWorker);
      await search.close();
    },
  };
}

/** -1 once a thread is over. */
const gone = (thread: Worker) => thread.threadId === -1;

async function write(store: LogStore, parts: readonly (readonly [LogChannel, string | Uint8Array])[], fence = 1) {
  const log = store.create(KEY, { fence, capBytes: CAP });
  let time = fence * 1_000;
  for (const [channel, data] of parts) await log.append(channel, Buffer.from(data), time++);
  await log.finish();
}

const STORES: [name: string, of: (world: LogWorld) => LogStore][] = [
  ["files", ({ store }) => store],
  ["another store", ({ store }) => stranger(store)],
];

for (const [name, of] of STORES) {
  test(`${name}: lines that hold a text come with number, channel and time, and all of them are counted`, async () => {
    await using world = await logWorld();
    const store = of(world);
    await write(store, [
      ["stdout", "one needle\ntwo\n"],
      ["stderr", "needle needle\nneed"],
      ["stdout", "le\nlast need"],
      ["stderr", "le\n"],
    ]);
    await using find = searchWorld(store);
    const { items, ...facts } = await find.find(text("needle"));
    assert.equal(items, [
      { number: 0, channel: "stdout", time: 1_000, text: "one needle" },
      { number: 2, channel: "stderr", time: 1_001, text: "needle needle" },
      { number: 4, channel: "stderr", time: 1_001, text: "needle" },
    ]);
    assert.equal(facts, {
      count: 3,
      before: 0,
      previous: null,
      next: null,
      complete: true,
      lines: 6,
      finished: true,
    });
    const { before, previous, items: rest } = await find.find(text("needle"), { first: 3, limit: 10 });
    assert.equal([before, previous, rest.length], [2, 2, 1], "what is before the first that is wanted");
    const end = await find.find(text("needle"), { first: 6, limit: 10 });
    assert.equal([end.count, end.before, end.previous], [3, 3, 4]);
  });

  test(`${name}: case does not count if it shall not, also beyond ASCII`, async () => {
    await using world = await logWorld();
    const store = of(world);
    await write(store, [["stdout", "An ERROR\nÄRGER\närger\nerror\nELSE\n"]]);
    await using find = searchWorld(store);
    const numbers = async (query: SearchQuery) => (await find.find(query)).items.map(({ number }) => number);
    assert.equal(await numbers(text("error")), [3]);
    assert.equal(await numbers(text("Error", true)), [0, 3]);
    assert.equal(await numbers(text("Ärger", true)), [1, 2]);
    assert.equal(await numbers(pattern("^Ä.G", true)), [1, 2]);
    assert.equal(await numbers(pattern("^Ä.G")), [1]);
    assert.equal(await numbers(pattern("(?i)error$")), [0, 3]);
  });

  test(`${name}: lines that name an error are found as they are in summaries of failures, and none of Belfry's own`, async () => {
    await using world = await logWorld();
    const store = of(world);
    const long = `${"assert ".repeat(9_000)}x`;
    await write(store, [
      ["header", "$ error: of the command\n"],
      ["stdout", "0 errors\n\u001b[31mError: a\u001b[0m\nok\nöde: command not found\n"],
      ["stderr", `${long}\n${long} failed\nnot ok 3 - b\nerror handling, how nice\n`],
      ["stdout", `${"fine\n".repeat(10_000)}src/a.c:1:2: fatal error: b.h: No such file or directory\n`],
    ]);
    await using find = searchWorld(store);
    const { items, count, before, previous } = await find.find({ kind: "errors" }, { first: 5, limit: 2 });
    assert.equal(
      items.map(({ number }) => number),
      [6, 7],
    );
    assert.equal([count, before, previous], [5, 2, 4]);
  });

  test(`${name}: a page says where the next one begins, and each counts the whole log`, async () => {
    await using world = await logWorld();
    const store = of(world);
    await write(store, [["stdout", Array.from({ length: 5_000 }, (_, i) => `line ${i}\n`).join("")]]);
    await using find = searchWorld(store);
    const numbers: number[] = [];
    for (let first: number | null = 0; first !== null; ) {
      const page = await find.find(pattern("[05]$"), { first, limit: 300 });
      assert.is(page.count, 1_000);
      numbers.push(...page.items.map(({ number }) => number));
      first = page.next;
    }
    assert.equal(
      numbers,
      Array.from({ length: 1_000 }, (_, i) => i * 5),
    );
    const end = await find.find(text("line"), { first: -2, limit: 10 });
    assert.equal([end.items.map(({ number }) => number), end.count], [[4_998, 4_999], 5_000]);
    const behind = await find.find(text("line"), { first: 9_000, limit: 10 });
    assert.equal([behind.items, behind.count, behind.next], [[], 5_000, null]);
  });

  test(`${name}: what is written while a log grows is found, in all of its segments`, async () => {
    await using world = await logWorld();
    const store = of(world);
    await write(store, [["stdout", "needle of the first\nleft open: needle"]]);
    const log = store.create(KEY, { fence: 2, capBytes: CAP });
    await log.append("stdout", Buffer.from("nothing\nneedle of the second\nnot yet a needle"), 5);
    await using find = searchWorld(store);
    const found = await eventually(async () => {
      const result = await find.find(text("needle"));
      return result.lines === 4 && result;
    });
    assert.equal(
      found.items.map((item) => [item.number, item.text]),
      [
        [0, "needle of the first"],
        [1, "left open: needle"],
        [3, "needle of the second"],
      ],
    );
    assert.is(found.finished, false);
    await log.finish();
    assert.is((await find.find(text("needle"))).count, 4);
  });

  test(`${name}: a line of 50 MB is searched, and shown by its beginning`, async () => {
    await using world = await logWorld();
    const store = of(world);
    const long = Buffer.alloc(50_000_000, "x");
    long.write("needle", 30_000_000);
    long.write("needle", 49_999_994);
    await write(store, [
      ["stdout", long],
      ["stdout", "\nneedle\n"],
    ]);
    await using find = searchWorld(store);
    for (const query of [text("needle"), text("NEEDLE", true), pattern("need[l]e")]) {
      const { items, count, lines } = await find.find(query);
      assert.equal([count, lines], [3, 764], query.kind);
      assert.equal(
        items.map((item) => item.text.length),
        [2_000, 2_000, 6],
      );
      assert.is(items[2]?.number, 763);
    }
  });

  test(`${name}: a pattern that cannot be one is told in words`, async () => {
    await using world = await logWorld();
    const store = of(world);
    await write(store, [["stdout", "a\n".repeat(3_000)]]);
    await using find = searchWorld(store);
    for (const wrong of ["(", "a**", "(?=a)", "\\1", "a{1001}"]) {
      const error = await rejects(find.find(pattern(wrong)), wrong);
      assert.instance(error, PatternError);
      assert.match((error as Error).message, /^[a-z].{5,}/);
    }
    assert.is((await find.find(pattern("a"))).count, 3_000, "the next search is not disturbed");
    assert.is(find.threads.length, 1);
  });

  test(`${name}: a pattern that makes others backtrack for ages does not`, async () => {
    await using world = await logWorld();
    const store = of(world);
    await write(store, [["stdout", `${"a".repeat(60_000)}\n${"a".repeat(60_000)}!\n`]]);
    await using find = searchWorld(store);
    const { count, complete } = await find.find(pattern("^(a+)+$"));
    assert.equal([count, complete], [1, true]);
  });

  test(`${name}: what takes too long answers with what there is, and where to go on`, async () => {
    await using world = await logWorld();
    const store = of(world);
    await write(store, [["stdout", Array.from({ length: 200_000 }, (_, i) => `line ${i}\n`).join("")]]);
    await using find = searchWorld(store, { limit: 0 });
    const page = await find.find(text("line"), { first: 7, limit: 10 });
    assert.equal([page.complete, page.next, page.items.length], [false, 7, 0]);
  });

  test(`${name}: any lines, and any text or pattern, give what a naive search gives`, async () => {
    await using world = await logWorld({ publishAfter: 1 });
    const store = of(world);
    await using found = searchWorld(store);
    const word = fc.constantFrom("", "a", "ab", "é", "E", "\r", "\0", "aa", "x".repeat(70_000));
    const piece = fc.tuple(
      fc.constantFrom<LogChannel>("stdout", "stderr", "header"),
      fc.array(word, { maxLength: 4 }).map((words) => words.join("")),
      fc.constantFrom("", "\n", "\n\n", "\nb\n"),
      fc.boolean(),
    );
    const query = fc.oneof(
      fc.tuple(fc.constantFrom("a", "ab", "é", "b", "aa", "\r"), fc.boolean()).map(([w, ignore]) => text(w, ignore)),
      fc.tuple(fc.constantFrom("^a", "b$", "[aé]b", ".", "^$"), fc.boolean()).map(([w, ignore]) => pattern(w, ignore)),
    );
    let run = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(piece, { maxLength: 30 }),
        query,
        fc.integer({ min: -5, max: 40 }),
        fc.integer({ min: 1, max: 20 }),
        async (pieces, query, first, limit) => {
          const key = `s/${run++}/1`;
          const log = store.create(key, { fence: 1, capBytes: CAP });
          for (const [channel, words, end, flush] of pieces) {
            await log.append(channel, Buffer.from(words + end), 1_000 + words.length);
            if (flush) await log.flush();
          }
          await log.finish();
          const lines = (await readAll(store, key)).map((line) => ({
            ...line,
            text: Buffer.from(line.data).toString(),
          }));
          if (query.kind === "errors") throw new Error("it is not among the queries");
          const { kind, wanted, ignoreCase } = query;
          const fold = (line: string) => (ignoreCase ? line.toLowerCase() : line);
          const native = new RegExp(wanted, ignoreCase ? "iu" : "u");
          // RE2's dot leaves out the line feed alone.
          const test = (line: string) =>
            wanted === "." ? line !== "" : kind === "text" ? fold(line).includes(fold(wanted)) : native.test(line);
          const matching = lines.filter((line) => test(line.text));
          const from = first < 0 ? Math.max(0, lines.length + first) : first;
          const wantedLines = matching.filter(({ number }) => number >= from);
          const result = await found.search.search(key, query, { first, limit }, never);
          assert.equal(result, {
            items: wantedLines.slice(0, limit).map(({ number, channel, time, text }) => ({
              number,
              channel,
              time,
              text: text.slice(0, 2_000),
            })),
            count: matching.length,
            before: matching.length - wantedLines.length,
            previous: matching.findLast(({ number }) => number < from)?.number ?? null,
            lines: lines.length,
            next: wantedLines[limit]?.number ?? null,
            complete: true,
            finished: true,
          });
        },
      ),
      { numRuns: 150 },
    );
  });
}

test("a log of many chunks is the same packed and unpacked, from any line on", async () => {
  await using world = await logWorld();
  const { store } = world;
  const line = (i: number) => `${i % 7 === 0 ? "needle" : "straw"} ${i} ${"padding ".repeat(8)}\n`;
  const log = store.create(KEY, { fence: 1, capBytes: CAP });
  for (let at = 0; at < 60_000; at += 1_000)
    await log.append("stdout", Buffer.from(Array.from({ length: 1_000 }, (_, i) => line(at + i)).join("")), at);
  await log.flush();
  await using find = searchWorld(store);
  const answers = async () => {
    const some = [];
    for (const first of [0, 3_000, 30_001, 59_999]) some.push(await find.find(text("needle"), { first, limit: 50 }));
    return some.map(({ finished, ...rest }) => rest);
  };
  const before = await answers();
  assert.equal(
    before.map(({ count, items }) => [count, items[0]?.number, items[0]?.time]),
    [
      [8_572, 0, 0],
      [8_572, 3_003, 3_000],
      [8_572, 30_002, 30_000],
      [8_572, undefined, undefined],
    ],
  );
  await log.finish();
  // While it is being packed, and afterwards.
  assert.equal(await answers(), before);
  await store.stop?.();
  const [file] = await filesBelow(world.folder);
  assert.ok((await stat(file as string)).size < 1_000_000, "it is packed");
  assert.equal(await answers(), before);
});

test("a store that keeps logs in memory is searched as well", async () => {
  const store = new MemoryLogStore();
  await write(store, [
    ["stdout", "a needle\n"],
    ["header", "no\nneedle"],
  ]);
  await using find = searchWorld(store);
  const { items, count, lines } = await find.find(text("needle"));
  assert.equal(
    [items.map(({ number, channel }) => [number, channel]), count, lines],
    [
      [
        [0, "stdout"],
        [2, "header"],
      ],
      2,
      3,
    ],
  );
});

test("a log that does not exist is told as the store tells it", async () => {
  await using world = await logWorld();
  await using find = searchWorld(world.store);
  const error = await rejects(find.find(text("x")), "the search");
  assert.is((error as { code?: string }).code, "BELFRY_LOG_NOT_FOUND");
});

test("a damaged log is told as such, and the thread goes on", async () => {
  await using world = await logWorld();
  const { store } = world;
  await write(store, [["stdout", "needle\n".repeat(2_000)]]);
  const [file] = await filesBelow(world.folder);
  const handle = await open(file as string, "r+");
  await handle.write(Buffer.from("!!!!"), 0, 4, 60);
  await handle.close();
  await using find = searchWorld(store);
  const error = await rejects(find.find(text("needle")), "the search");
  assert.is((error as { code?: string }).code, "BELFRY_LOG_DAMAGED");
  await store.remove(KEY);
  await write(store, [["stdout", "needle\n"]]);
  assert.is((await find.find(text("needle"))).count, 1);
  assert.is(find.threads.length, 1);
});

/** A log in a store that gives a line only when it is told to. */
async function slowWorld(options: LogSearchOptions) {
  const store = new MemoryLogStore();
  await write(store, [["stdout", "needle\n".repeat(10)]]);
  let release = () => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  let reading = 0;
  const slow = stranger(store, () => {
    reading += 1;
    return gate;
  });
  return { find: searchWorld(slow, options), release: () => release(), reading: () => reading };
}

test("no more searches run at once than there are threads; who waits has its turn, or leaves", async () => {
  const { find, release, reading } = await slowWorld({ threads: 1 });
  await using _ = find;
  const first = find.find(text("needle"));
  await until(() => reading() === 1, "the first search");
  const leaving = new AbortController();
  const second = find.search.search(KEY, text("needle"), all, leaving.signal);
  const third = find.find(text("needle"));
  leaving.abort(new Error("I go"));
  assert.is(((await rejects(second, "the one that leaves")) as Error).message, "I go");
  assert.is(reading(), 1, "the third waits");
  release();
  assert.equal([(await first).count, (await third).count], [10, 10]);
  assert.is(find.threads.length, 1);
});

test("the next thread goes to another client's search, and a client may have only a few", async () => {
  const { find, release, reading } = await slowWorld({ threads: 1 });
  await using _ = find;
  const order: string[] = [];
  const never = new AbortController().signal;
  const search = (client: string) =>
    find.search.search(KEY, text("needle"), all, never, client).then(() => order.push(client));
  const running = search("greedy");
  await until(() => reading() === 1, "the first search");
  const waiting = [search("greedy"), search("greedy"), search("greedy"), search("modest")];
  const error = await rejects(search("greedy"), "the fifth search of one client");
  assert.is((error as { code?: string }).code, "BELFRY_BUDGET_SPENT");
  release();
  await Promise.all([running, ...waiting]);
  assert.equal(order, ["greedy", "modest", "greedy", "greedy", "greedy"]);
  await search("greedy");
});

test("a search whose caller goes away ends, and its thread is free for the next", async () => {
  const { find, release, reading } = await slowWorld({ threads: 1, grace: 10 });
  await using _ = find;
  const going = new AbortController();
  const search = find.search.search(KEY, text("needle"), all, going.signal);
  await until(() => reading() === 1, "the search");
  going.abort(new Error("I go"));
  assert.is(((await rejects(search, "the search")) as Error).message, "I go");
  release();
  assert.is((await find.find(text("needle"))).count, 10);
});

test("a store that gives nothing in time ends the search, with what was found", async () => {
  const { find, release } = await slowWorld({ limit: 20, grace: 20 });
  await using _ = find;
  const { items, complete, next } = await find.find(text("needle"), { first: 3, limit: 5 });
  assert.equal([items, complete, next], [[], false, 3]);
  release();
});

test("a thread that is stuck in one line is ended and replaced", async () => {
  await using world = await logWorld();
  let seed = 7;
  const letters = Array.from({ length: 64_000 }, () => {
    seed = (seed * 1_103_515_245 + 12_345) & 0x7fffffff;
    return "ab"[(seed >> 16) & 1];
  });
  await write(world.store, [["stdout", `first\n${letters.join("")}\n`]]);
  await using find = searchWorld(world.store, { limit: 50, grace: 1 });
  // Hundreds of states for each character: about a second for this line.
  const { complete } = await find.find(pattern("(a[ab]{400}[^ab])|(b[ab]{500}[^ab])|(a[ab]{600}[^ab])"));
  assert.is(complete, false);
  await until(() => find.threads.every(gone), "the end of the thread");
  await using patient = searchWorld(world.store);
  assert.is((await patient.find(text("first"))).count, 1);
});

test("a thread that dies fails its search, and the next one has another thread", async () => {
  const { find, release, reading } = await slowWorld({ threads: 1 });
  await using _ = find;
  const search = find.find(text("needle"));
  await until(() => reading() === 1 && find.threads.length === 1, "the search");
  const failed = rejects(search, "the search");
  await find.threads[0]?.terminate();
  assert.match(((await failed) as Error).message, "the thread that searches logs ended");
  release();
  assert.is((await find.find(text("needle"))).count, 10);
  assert.is(find.threads.length, 2);
});

test("a thread without work is let go", async () => {
  const store = new MemoryLogStore();
  await write(store, [["stdout", "needle\n"]]);
  await using find = searchWorld(store, { idle: 0 });
  await find.find(text("needle"));
  await until(() => find.threads.every(gone), "the end of the thread");
  assert.is((await find.find(text("needle"))).count, 1);
});

test("closing ends what is searched and what waits, and leaves no thread", async () => {
  const { find, release, reading } = await slowWorld({ threads: 1 });
  await using _ = find;
  const searches = [find.find(text("needle")), find.find(text("needle"))];
  const failed = searches.map((search) => rejects(search, "a search"));
  await until(() => reading() === 1, "the first search");
  await within(20_000, "closing", find.search.close());
  for (const error of await Promise.all(failed)) assert.is((error as { code?: string }).code, "BELFRY_MASTER_STOPPING");
  assert.ok(find.threads.length > 0 && find.threads.every(gone));
  assert.is(
    ((await rejects(find.find(text("needle")), "a late search")) as { code?: string }).code,
    "BELFRY_MASTER_STOPPING",
  );
  release();
});

test.run();
