import { readFile, stat, truncate, writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type LogAppender, MAX_LINE_BYTES } from "../../../core/src/interfaces/log-store.ts";
import {
  CAP,
  codeOfRejection,
  eventually,
  filesBelow,
  followAll,
  logWorld,
  plain,
  rawText,
  readAll,
  texts,
} from "./log-world.ts";

const logs = suite("log store");
const KEY = "b/123/4-stdio";
const first = { fence: 1, capBytes: CAP };

async function fill(log: LogAppender, lines: number, text = "line"): Promise<void> {
  for (let at = 0; at < lines; at += 500) {
    const count = Math.min(500, lines - at);
    const chunk = Array.from({ length: count }, (_, index) => `${text} ${at + index}\n`).join("");
    await log.append("stdout", Buffer.from(chunk), at);
  }
}

logs("a small log is one file, and is read as it was written", async () => {
  await using world = await logWorld();
  const log = world.store.create(KEY, first);
  assert.is(log.append("header", Buffer.from("running true\n"), 5), undefined);
  assert.is(log.append("stdout", Buffer.from("hello\r\n"), 6), undefined);
  assert.equal(log.totals, { lines: 2, bytes: 20, truncated: false });
  assert.equal(await log.finish(), { lines: 2, bytes: 20, truncated: false });
  assert.equal((await filesBelow(world.folder)).length, 1);
  await using reader = await world.other().open(KEY);
  assert.equal(await reader.info(), { lines: 2, bytes: 20, truncated: false, finished: true });
  assert.equal(plain(await reader.lines(0, 10)), [
    ["header", 5, "running true"],
    ["stdout", 6, "hello\r"],
  ]);
  assert.is(await rawText(reader), "running true\nhello\r\n");
});

logs("a log without a byte is there, and finished", async () => {
  await using world = await logWorld();
  assert.equal(await world.store.create(KEY, first).finish(), { lines: 0, bytes: 0, truncated: false });
  await using reader = await world.other().open(KEY);
  assert.equal(await reader.info(), { lines: 0, bytes: 0, truncated: false, finished: true });
  assert.equal(await reader.lines(0, 5), []);
  assert.equal(await followAll(reader), []);
  assert.is(await rawText(reader), "");
});

logs("finishing twice gives the same totals, and what is appended after that is ignored", async () => {
  await using world = await logWorld();
  const log = world.store.create(KEY, first);
  log.append("stdout", Buffer.from("a\n"), 1);
  const [one, two] = await Promise.all([log.finish(), log.finish()]);
  assert.equal(one, two);
  assert.is(log.append("stdout", Buffer.from("b\n"), 1), undefined);
  await log.flush();
  assert.equal(await log.finish(), one);
  assert.equal(texts(await readAll(world.store, KEY)), ["a"]);
});

logs("a line has the time of its first byte, and channels do not mix", async () => {
  await using world = await logWorld();
  const log = world.store.create(KEY, first);
  log.append("stdout", Buffer.from("out-"), 1);
  log.append("stderr", Buffer.from("err-"), 2);
  log.append("stdout", Buffer.from("1\nout-2\nout"), 3);
  log.append("stderr", Buffer.from("1\n"), 4);
  log.append("stdout", Buffer.from("-3"), 5);
  await log.finish();
  assert.equal(plain(await readAll(world.store, KEY)), [
    ["stdout", 1, "out-1"],
    ["stdout", 3, "out-2"],
    ["stderr", 2, "err-1"],
    ["stdout", 3, "out-3"],
  ]);
});

logs("nobody sees an unfinished line before it is complete, so that what was seen does not change", async () => {
  await using world = await logWorld();
  const log = world.store.create(KEY, first);
  log.append("stdout", Buffer.from("whole\nbegun"), 1);
  await using reader = await world.store.open(KEY);
  await eventually(async () => (await reader.info()).lines === 1);
  await sleep(60);
  assert.equal(texts(await reader.lines(0, 9)), ["whole"]);
  log.append("stdout", Buffer.from(" and ended\n"), 2);
  await log.flush();
  assert.equal(texts(await reader.lines(0, 9)), ["whole", "begun and ended"]);
  await log.finish();
});

logs("a flush shows an unfinished line as it is, and its late line feed makes no empty line", async () => {
  await using world = await logWorld();
  const log = world.store.create(KEY, first);
  log.append("stdout", Buffer.from("Password: "), 1);
  await log.flush();
  await using reader = await world.store.open(KEY);
  assert.equal(texts(await reader.lines(0, 9)), ["Password: "]);
  log.append("stdout", Buffer.from("\nthank you\nmore: "), 2);
  await log.flush();
  log.append("stdout", Buffer.from("yes"), 2);
  await log.finish();
  assert.equal(texts(await reader.lines(0, 9)), ["Password: ", "thank you", "more: ", "yes"]);
  assert.is(await rawText(reader), "Password: \nthank you\nmore: yes");
});

logs("lines are readable a moment after they arrived, for other processes too", async () => {
  await using world = await logWorld();
  const log = world.store.create(KEY, first);
  const other = world.other();
  log.append("stdout", Buffer.from("one\n"), 1);
  await using reader = await eventually(() => other.open(KEY).catch(() => undefined));
  await eventually(async () => (await reader.info()).lines === 1);
  assert.is((await reader.info()).finished, false);
  log.append("stdout", Buffer.from("two\n"), 1);
  await eventually(async () => (await reader.info()).lines === 2);
  assert.equal(texts(await reader.lines(1, 5)), ["two"]);
  await log.finish();
  assert.is((await reader.info()).finished, true);
});

logs("the bytes that were appended may be overwritten afterwards", async () => {
  await using world = await logWorld();
  const log = world.store.create(KEY, first);
  const buffer = new Uint8Array(1000);
  for (let round = 0; round < 4_000; round += 1) {
    buffer.fill(97 + (round % 26));
    buffer[999] = 10;
    await log.append("stdout", buffer, round);
  }
  await log.finish();
  const lines = texts(await readAll(world.store, KEY));
  assert.is(lines.length, 4_000);
  assert.ok(lines.every((line, round) => line === String.fromCharCode(97 + (round % 26)).repeat(999)));
});

logs("bytes that are no UTF-8, NUL and carriage returns are kept as they are", async () => {
  await using world = await logWorld();
  const log = world.store.create(KEY, first);
  const bytes = Buffer.from([0xff, 0xfe, 0x00, 0x80, 0x0d, 0x0a, 0xc3, 0x0a, 0x00, 0x0a, 0xed, 0xa0, 0x80]);
  for (const byte of bytes) log.append("stdout", Uint8Array.of(byte), 1);
  await log.finish();
  await using reader = await world.store.open(KEY);
  assert.is(await rawText(reader, "hex"), bytes.toString("hex"));
  const lines = (await reader.lines(0, 9)).map(({ data }) => Buffer.from(data).toString("hex"));
  assert.equal(lines, ["fffe00800d", "c3", "00", "eda080"]);
});

logs("one line of 50 MB, given at once, comes in pieces of 64 KiB, and plain text joins them again", async () => {
  await using world = await logWorld();
  const log = world.store.create(KEY, first);
  const size = 50_000_000;
  const waiting = log.append("stdout", Buffer.alloc(size, "x"), 1);
  assert.ok(waiting instanceof Promise, "the writer has to wait");
  await waiting;
  log.append("stdout", Buffer.from("\nend\n"), 2);
  const totals = await log.finish();
  assert.equal(totals, { lines: Math.ceil(size / MAX_LINE_BYTES) + 1, bytes: size + 5, truncated: false });
  await using reader = await world.store.open(KEY);
  const lines = await reader.lines(0, 10_000);
  assert.is(lines.length, totals.lines);
  assert.ok(
    lines.slice(0, -2).every(({ data }) => data.length === MAX_LINE_BYTES && data.every((byte) => byte === 120)),
  );
  assert.equal(texts(lines.slice(-1)), ["end"]);
  let length = 0;
  for await (const piece of reader.raw()) length += piece.length;
  assert.is(length, size + 5);
});

logs("ten million empty lines are ten million lines", async () => {
  await using world = await logWorld();
  const log = world.store.create(KEY, first);
  const chunk = Buffer.alloc(100_000, "\n");
  for (let round = 0; round < 100; round += 1) await log.append("stdout", chunk, round);
  log.append("stdout", Buffer.from("last\n"), 100);
  assert.is((await log.finish()).lines, 10_000_001);
  await using reader = await world.store.open(KEY);
  const lines = await reader.lines(9_999_998, 10);
  assert.equal(plain(lines), [
    ["stdout", 99, ""],
    ["stdout", 99, ""],
    ["stdout", 100, "last"],
  ]);
  let count = 0;
  for await (const batch of reader.follow(0, AbortSignal.timeout(60_000))) count += batch.length;
  assert.is(count, 10_000_001);
});

logs("reading many lines leaves turns to others: after each batch of a follower, and within a long range", async () => {
  await using world = await logWorld();
  const log = world.store.create(KEY, first);
  await log.append("stdout", Buffer.alloc(200_000, "\n"), 1);
  await log.finish();
  await using reader = await world.store.open(KEY);
  let turns = 0;
  let over = false;
  const count = () => {
    turns += 1;
    if (!over) setImmediate(count);
  };
  count();
  let batches = 0;
  for await (const _ of reader.follow(0)) batches += 1;
  assert.ok(batches > 90 && turns >= batches, `${turns} turns, ${batches} batches`);
  turns = 0;
  assert.is((await reader.lines(0, 200_000)).length, 200_000);
  assert.ok(turns >= 90, `${turns} turns`);
  over = true;
});

logs("very many small calls that nobody waits for are kept in order", async () => {
  await using world = await logWorld();
  const log = world.store.create(KEY, first);
  // Fills what may wait to be written, so that every call after it has to.
  void log.append("stderr", Buffer.alloc(3_000_000, "0123456789abcde\n"), 1);
  for (let number = 0; number < 100_000; number += 1) void log.append("stdout", Buffer.from(`${number}\n`), 2);
  await log.finish();
  const lines = (await readAll(world.store, KEY)).filter(({ channel }) => channel === "stdout");
  assert.is(lines.length, 100_000);
  assert.ok(lines.every(({ data }, index) => Buffer.from(data).toString() === String(index)));
});

logs("a follower that began before the first byte gets every line once, in order, and is told the end", async () => {
  await using world = await logWorld();
  const log = world.store.create(KEY, first);
  await using reader = await world.store.open(KEY);
  const following = followAll(reader);
  await fill(log, 20_000);
  await log.finish();
  const lines = await following;
  assert.is(lines.length, 20_000);
  assert.ok(
    lines.every(({ number, data }, index) => number === index && Buffer.from(data).toString() === `line ${index}`),
  );
});

logs("many followers, some slow, some late, some in other processes, all see the same", async () => {
  await using world = await logWorld();
  const log = world.store.create(KEY, first);
  log.append("stdout", Buffer.from("line 0\n"), 1);
  await log.flush();
  const other = world.other();
  const follow = async (index: number) => {
    await using reader = await (index % 3 === 0 ? other : world.store).open(KEY);
    const seen: string[] = [];
    for await (const batch of reader.follow(index % 2, AbortSignal.timeout(60_000))) {
      seen.push(...texts(batch));
      if (index % 4 === 0) await sleep(5);
    }
    return [...(index % 2 ? ["line 0"] : []), ...seen];
  };
  const following = Array.from({ length: 20 }, (_, index) => follow(index));
  for (let line = 1; line < 3_000; line += 1) {
    await log.append("stdout", Buffer.from(`line ${line}\n`), line);
    if (line % 100 === 0) await sleep(3);
  }
  await log.finish();
  const expected = Array.from({ length: 3_000 }, (_, index) => `line ${index}`);
  for (const seen of await Promise.all(following)) assert.equal(seen, expected);
});

logs("a follower reads no further than it is asked", async () => {
  await using world = await logWorld();
  const log = world.store.create(KEY, first);
  await fill(log, 50_000);
  await log.finish();
  await using reader = await world.store.open(KEY);
  let seen = 0;
  for await (const batch of reader.follow(10)) {
    seen += batch.length;
    assert.is(batch[0]?.number, 10);
    break;
  }
  assert.ok(seen > 0 && seen <= 2048);
});

logs("a follower whose signal aborts ends without throwing, while it waits and before it began", async () => {
  await using world = await logWorld();
  const log = world.store.create(KEY, first);
  log.append("stdout", Buffer.from("a\n"), 1);
  await log.flush();
  for (const store of [world.store, world.other()]) {
    await using reader = await store.open(KEY);
    const ending = new AbortController();
    const seen: string[] = [];
    for await (const batch of reader.follow(0, ending.signal)) {
      seen.push(...texts(batch));
      setTimeout(() => ending.abort(), 10);
    }
    assert.equal(seen, ["a"]);
    for await (const _ of reader.follow(0, AbortSignal.abort())) assert.unreachable();
  }
  await log.finish();
});

logs("disposing of a reader ends its followers; its calls are refused then; others go on", async () => {
  await using world = await logWorld();
  const log = world.store.create(KEY, first);
  log.append("stdout", Buffer.from("a\n"), 1);
  await log.flush();
  const reader = await world.store.open(KEY);
  await using second = await world.store.open(KEY);
  const following = followAll(reader);
  await sleep(20);
  await reader[Symbol.asyncDispose]();
  await reader[Symbol.asyncDispose]();
  assert.equal(texts(await following), ["a"]);
  assert.is(await codeOfRejection(reader.lines(0, 1)), "BELFRY_LOG_READER_CLOSED");
  assert.is(await codeOfRejection(reader.info()), "BELFRY_LOG_READER_CLOSED");
  assert.equal(texts(await second.lines(0, 1)), ["a"]);
  await log.finish();
});

logs("a reader that was opened before or while the log is packed goes on; the packed file is smaller", async () => {
  await using world = await logWorld();
  const log = world.store.create(KEY, first);
  await fill(log, 200_000);
  await log.flush();
  const [file] = await filesBelow(world.folder);
  const size = (await stat(file as string)).size;
  await using before = await world.store.open(KEY);
  await using foreign = await world.other().open(KEY);
  await log.finish();
  await using during = await world.store.open(KEY);
  await eventually(async () => {
    for (const reader of [before, during, foreign]) {
      const at = Math.floor(Math.random() * 199_000);
      assert.equal(texts(await reader.lines(at, 2)), [`line ${at}`, `line ${at + 1}`]);
    }
    return (await stat(file as string)).size < size / 3;
  });
  await using after = await world.other().open(KEY);
  for (const reader of [before, during, foreign, after]) {
    assert.equal(texts(await reader.lines(123_456, 2)), ["line 123456", "line 123457"]);
    assert.equal(await reader.info(), { ...log.totals, finished: true });
  }
  assert.is((await filesBelow(world.folder)).length, 1, "no temporary file is left");
});

logs("stopping waits for what is being packed, and may be done twice", async () => {
  await using world = await logWorld();
  for (let build = 0; build < 5; build += 1) {
    const log = world.store.create(`b/${build}/log`, first);
    await fill(log, 60_000);
    await log.finish();
  }
  await world.store.stop?.();
  for (const file of await filesBelow(world.folder)) assert.ok((await stat(file)).size < 200_000);
  await world.store.stop?.();
});

logs("stopping loses nothing of a log that is being written, and ends its followers", async () => {
  await using world = await logWorld();
  const log = world.store.create(KEY, first);
  log.append("stdout", Buffer.from("a\nunfinished"), 1);
  await using reader = await world.store.open(KEY);
  const following = followAll(reader);
  await world.store.stop?.();
  assert.equal(texts(await following), ["a", "unfinished"]);
  await using again = await world.other().open(KEY);
  assert.equal(await again.info(), { lines: 2, bytes: 12, truncated: false, finished: false });
  assert.is(log.append("stdout", Buffer.from("b\n"), 1), undefined);
});

logs("past its cap a log has one clear last line, and costs nothing more", async () => {
  await using world = await logWorld();
  const log = world.store.create(KEY, { fence: 1, capBytes: 25 });
  log.append("stderr", Buffer.from("begun"), 1);
  log.append("stdout", Buffer.from("0123456789\n"), 2);
  assert.is(log.totals.truncated, false);
  log.append("stdout", Buffer.from("abcdefghijklmnop\n"), 3);
  assert.is(log.totals.truncated, true);
  for (let round = 0; round < 1_000; round += 1) assert.is(log.append("stdout", Buffer.from("more\n"), 4), undefined);
  const totals = await log.finish();
  assert.is(totals.truncated, true);
  await using reader = await world.other().open(KEY);
  assert.equal(plain(await reader.lines(0, 99)), [
    ["stdout", 2, "0123456789"],
    ["stderr", 1, "begun"],
    ["stdout", 3, "abcdefghi"],
    ["header", 3, "log is full: 25 bytes kept, the rest was thrown away"],
  ]);
  assert.equal(await reader.info(), { ...totals, finished: true });
  assert.match(await rawText(reader), /\nabcdefghi\nlog is full: /);
});

logs("a log that is as long as its cap is whole", async () => {
  await using world = await logWorld();
  const log = world.store.create(KEY, { fence: 1, capBytes: 4 });
  log.append("stdout", Buffer.from("abc\n"), 1);
  assert.equal(await log.finish(), { lines: 1, bytes: 4, truncated: false });
});

logs("segments follow one another in the order of their fences, under one numbering and one cap", async () => {
  await using world = await logWorld();
  const dead = world.store.create(KEY, { fence: 3, capBytes: 60 });
  dead.append("stdout", Buffer.from("from the first\nunfinished"), 1);
  await dead.flush();
  const next = world.other();
  const log = next.create(KEY, { fence: 5, capBytes: 60 });
  await using reader = await next.open(KEY);
  const following = followAll(reader);
  log.append("header", Buffer.from("from the second\n"), 2);
  await log.flush();
  log.append("header", Buffer.from("no room for all of this\n"), 3);
  assert.equal((await log.finish()).truncated, true);
  const expected = [
    "from the first",
    "unfinished",
    "from the second",
    "no ro",
    "log is full: 45 bytes kept, the rest was thrown away",
  ]
    .with(3, "no room for all of this".slice(0, 60 - 25 - 16))
    .with(4, "log is full: 60 bytes kept, the rest was thrown away");
  assert.equal(texts(await reader.lines(0, 99)), expected);
  assert.equal(texts(await following), expected);
  assert.equal(texts(await reader.lines(1, 2)), ["unfinished", "from the second"]);
  assert.equal(
    (await reader.lines(0, 99)).map(({ number }) => number),
    [0, 1, 2, 3, 4],
  );
  assert.equal(await reader.info(), { ...log.totals, finished: true });
  assert.match(await rawText(reader), /^from the first\nunfinished\nfrom the second\n/);
});

logs("a writer with an older fence is refused, and changes nothing", async () => {
  await using world = await logWorld();
  const log = world.store.create(KEY, { fence: 7, capBytes: CAP });
  log.append("stdout", Buffer.from("new\n"), 1);
  await log.finish();
  const late = world.other().create(KEY, { fence: 6, capBytes: CAP });
  late.append("stdout", Buffer.from("old\n"), 1);
  assert.is(await codeOfRejection(late.finish()), "BELFRY_LOG_FENCED");
  assert.equal(texts(await readAll(world.store, KEY)), ["new"]);
});

logs("what an older writer still writes after the newer one has begun is seen by nobody", async () => {
  await using world = await logWorld();
  const old = world.store.create(KEY, { fence: 1, capBytes: CAP });
  old.append("stdout", Buffer.from("old\n"), 1);
  await old.flush();
  const next = world.other();
  const log = next.create(KEY, { fence: 2, capBytes: CAP });
  log.append("stdout", Buffer.from("new\n"), 1);
  await log.flush();
  old.append("stdout", Buffer.from("too late\n"), 1);
  await old.flush();
  await log.finish();
  assert.equal(texts(await readAll(next, KEY)), ["old", "new"]);
  assert.equal(texts(await readAll(world.other(), KEY)), ["old", "new"]);
});

logs("sealing packs what a dead writer left: its lines stay, and the log is finished", async () => {
  await using world = await logWorld();
  const dead = world.store.create(KEY, { fence: 1, capBytes: CAP });
  await fill(dead, 30_000);
  await dead.flush();
  const [file] = await filesBelow(world.folder);
  const size = (await stat(file as string)).size;
  const other = world.other();
  await using reader = await other.open(KEY);
  const following = followAll(reader);
  assert.is((await reader.info()).finished, false);
  assert.equal(await other.seal(KEY, { fence: 1 }), dead.totals, "the same fence is nobody's to seal");
  assert.is((await reader.info()).finished, false);
  assert.equal(await other.seal(KEY, { fence: 2 }), dead.totals);
  assert.ok((await stat(file as string)).size < size / 2);
  assert.equal(await reader.info(), { ...dead.totals, finished: true });
  assert.is((await following).length, 30_000);
  assert.equal(await other.seal(KEY, { fence: 3 }), dead.totals, "sealing again changes nothing");
});

logs("sealing with a newer fence ends a writer of this process: it is told once, and readers agree", async () => {
  await using world = await logWorld();
  const log = world.store.create(KEY, first);
  await using before = await world.store.open(KEY);
  const waits: (Promise<void> | undefined)[] = [];
  for (let round = 0; round < 40; round += 1)
    waits.push(log.append("stdout", Buffer.alloc(160_000, "0123456789abcde\n"), 1));
  const sealed = await world.store.seal(KEY, { fence: 2 });
  assert.is(sealed.lines, 400_000);
  assert.is(await codeOfRejection(log.append("stdout", Buffer.from("late\n"), 1)), "BELFRY_LOG_FENCED");
  assert.is(log.append("stdout", Buffer.from("later\n"), 1), undefined);
  await log.finish();
  await using after = await world.other().open(KEY);
  assert.equal(await after.info(), { ...sealed, finished: true });
  assert.equal(await before.info(), { ...sealed, finished: true });
  await Promise.all(waits);
});

logs("a flush does not wait for a writer that never pauses", async () => {
  await using world = await logWorld();
  const log = world.store.create(KEY, first);
  let over = false;
  const chunk = Buffer.alloc(64 * 1024, "0123456789abcde\n");
  const writing = (async () => {
    while (!over) await (log.append("stdout", chunk, 1) ?? new Promise((resolve) => setImmediate(resolve)));
  })();
  for (let round = 0; round < 5; round += 1) {
    await log.append("stderr", Buffer.from(`mark ${round}`), 2);
    await log.flush();
  }
  over = true;
  await writing;
  await log.finish();
  const marks = (await readAll(world.store, KEY)).filter(({ channel }) => channel === "stderr");
  assert.equal(texts(marks), ["mark 0", "mark 1", "mark 2", "mark 3", "mark 4"]);
});

logs("sealing cuts a torn tail at the last whole record", async () => {
  await using world = await logWorld();
  const dead = world.store.create(KEY, first);
  for (const line of ["one\n", "two\n", "three\n"]) {
    dead.append("stdout", Buffer.from(line), 1);
    await dead.flush();
  }
  const [file] = await filesBelow(world.folder);
  const { size } = await stat(file as string);
  await truncate(file as string, size - 2);
  const other = world.other();
  assert.equal(texts(await readAll(other, KEY)), ["one", "two"]);
  assert.equal(await other.seal(KEY, { fence: 2 }), { lines: 2, bytes: 8, truncated: false });
  assert.equal(texts(await readAll(world.other(), KEY)), ["one", "two"]);
});

logs(
  "garbage or zeros after the last record, and a record that was changed, end a sealed log before them",
  async () => {
    for (const harm of ["zeros", "garbage", "flip"]) {
      await using world = await logWorld();
      const dead = world.store.create(KEY, first);
      for (const line of ["one\n", "two\n"]) {
        dead.append("stdout", Buffer.from(line), 1);
        await dead.flush();
      }
      const [file] = (await filesBelow(world.folder)) as [string];
      const bytes = await readFile(file);
      if (harm === "flip") bytes[bytes.length - 2] = (bytes.at(-2) as number) ^ 1;
      const tail = Buffer.alloc(harm === "flip" ? 0 : 500, harm === "zeros" ? 0 : "garbage");
      await writeFile(file, Buffer.concat([bytes, tail]));
      const other = world.other();
      const expected = harm === "flip" ? ["one"] : ["one", "two"];
      await other.seal(KEY, { fence: 2 });
      assert.equal(texts(await readAll(other, KEY)), expected, harm);
    }
  },
);

logs("a damaged chunk of a finished log is told as such, and the rest can be read", async () => {
  await using world = await logWorld();
  const log = world.store.create(KEY, first);
  await fill(log, 100_000);
  await log.finish();
  await world.store.stop?.();
  const [file] = (await filesBelow(world.folder)) as [string];
  const bytes = await readFile(file);
  bytes[200] = (bytes[200] as number) ^ 0xff;
  await writeFile(file, bytes);
  await using reader = await world.other().open(KEY);
  assert.is(await codeOfRejection(reader.lines(0, 1)), "BELFRY_LOG_DAMAGED");
  assert.equal(texts(await reader.lines(99_999, 1)), ["line 99999"]);
});

logs("sealing or removing a log that never was is harmless; opening it is refused", async () => {
  await using world = await logWorld();
  assert.equal(await world.store.seal(KEY, { fence: 9 }), { lines: 0, bytes: 0, truncated: false });
  await world.store.remove(KEY);
  await world.store.remove("b/123/");
  await world.store.remove("nothing/here/");
  assert.is(await codeOfRejection(world.store.open(KEY)), "BELFRY_LOG_NOT_FOUND");
});

logs("removing takes one log, or all below a prefix, and leaves its neighbours", async () => {
  await using world = await logWorld();
  const keys = ["b/1/0-a", "b/1/0-ab", "b/1/x/0-a", "b/12/0-a", "b/1", "b/129/0-a", "c/plain", "c/plain/sub", "1/2/3"];
  for (const key of keys) {
    const log = world.store.create(key, first);
    log.append("stdout", Buffer.from(`${key}\n`), 1);
    await log.finish();
    assert.equal(texts(await readAll(world.store, key)), [key]);
  }
  const left = async () => {
    const found: string[] = [];
    for (const key of keys) {
      const lines = await readAll(world.store, key).catch(() => undefined);
      if (lines) found.push(...texts(lines));
    }
    return found;
  };
  await world.store.remove("b/1/0-a");
  assert.equal(
    await left(),
    keys.filter((key) => key !== "b/1/0-a"),
  );
  await world.store.remove("b/1/");
  assert.equal(await left(), ["b/12/0-a", "b/1", "b/129/0-a", "c/plain", "c/plain/sub", "1/2/3"]);
  await world.store.remove("c/plain");
  assert.equal(await left(), ["b/12/0-a", "b/1", "b/129/0-a", "c/plain/sub", "1/2/3"]);
  await world.store.remove("c/");
  await world.store.remove("b/");
  assert.equal(await left(), ["1/2/3"]);
  await world.store.remove("1/2/");
  assert.equal(await left(), []);
  assert.equal(await filesBelow(world.folder), []);
});

logs("a log that is removed while it is written, read and packed is gone, and nobody hangs", async () => {
  await using world = await logWorld();
  const written = world.store.create(KEY, first);
  written.append("stdout", Buffer.from("a\n"), 1);
  await using reader = await world.store.open(KEY);
  await using foreign = await eventually(() =>
    world
      .other()
      .open(KEY)
      .catch(() => undefined),
  );
  await written.flush();
  const following = [followAll(reader), followAll(foreign)];
  await eventually(async () => (await foreign.info()).lines === 1);
  await sleep(30);
  await world.store.remove("b/123/");
  for (const lines of await Promise.all(following)) assert.equal(texts(lines), ["a"]);
  written.append("stdout", Buffer.from("b\n"), 1);
  await written.finish();

  const big = world.store.create("b/5/log", first);
  await fill(big, 100_000);
  await big.finish();
  await world.store.remove("b/5/log");
  await world.store.stop?.();
  assert.equal(await filesBelow(world.folder), []);
  assert.is(await codeOfRejection(world.store.open(KEY)), "BELFRY_LOG_NOT_FOUND");
});

logs("a removed key can be written again", async () => {
  await using world = await logWorld();
  for (const text of ["first", "second"]) {
    const log = world.store.create(KEY, first);
    log.append("stdout", Buffer.from(`${text}\n`), 1);
    await log.finish();
    assert.equal(texts(await readAll(world.store, KEY)), [text]);
    await world.store.remove(KEY);
  }
});

logs("keys that could leave the folder, or are no keys, are refused everywhere", async () => {
  await using world = await logWorld();
  const bad = [
    "",
    "/",
    "/etc/passwd",
    "../x",
    "a/../b",
    "a/..",
    "a//b",
    "a/",
    "./a",
    "a/.",
    "a\\b",
    "a b",
    "a\0b",
    "ä",
    "a,b",
    "x".repeat(201),
  ];
  for (const key of bad) {
    assert.throws(
      () => world.store.create(key, first),
      (error: { code: string }) => error.code === "BELFRY_LOG_KEY_INVALID",
      key,
    );
    assert.is(await codeOfRejection(world.store.open(key)), "BELFRY_LOG_KEY_INVALID", key);
    assert.is(await codeOfRejection(world.store.seal(key, { fence: 1 })), "BELFRY_LOG_KEY_INVALID", key);
    if (key !== "a/") assert.is(await codeOfRejection(world.store.remove(key)), "BELFRY_LOG_KEY_INVALID", key);
  }
  const longest = `${"x/".repeat(90)}${"y".repeat(20)}`;
  const log = world.store.create(longest, first);
  log.append("stdout", Buffer.from("a\n"), 1);
  await log.finish();
  assert.equal(texts(await readAll(world.store, longest)), ["a"]);
});

logs("a log that is being written cannot be opened for writing again", async () => {
  await using world = await logWorld();
  const log = world.store.create(KEY, first);
  assert.throws(
    () => world.store.create(KEY, { fence: 2, capBytes: 1 }),
    (error: { code: string }) => error.code === "BELFRY_LOG_IN_USE",
  );
  await log.finish();
  const again = world.store.create(KEY, { fence: 2, capBytes: CAP });
  again.append("stdout", Buffer.from("more\n"), 1);
  await again.finish();
  assert.equal(texts(await readAll(world.store, KEY)), ["more"]);
});

logs("a range that is no range is refused", async () => {
  await using world = await logWorld();
  await world.store.create(KEY, first).finish();
  await using reader = await world.store.open(KEY);
  for (const [from, count] of [
    [-1, 1],
    [0, -1],
    [0.5, 1],
    [0, Number.NaN],
    [Number.POSITIVE_INFINITY, 1],
  ] as const) {
    assert.is(await codeOfRejection(reader.lines(from, count)), "BELFRY_LOG_RANGE_INVALID");
  }
  assert.is(await codeOfRejection(reader.follow(-1)[Symbol.asyncIterator]().next()), "BELFRY_LOG_RANGE_INVALID");
  assert.equal(await reader.lines(5, 5), []);
});

logs("appending without waiting keeps the order of the calls", async () => {
  await using world = await logWorld();
  const log = world.store.create(KEY, first);
  const waits: unknown[] = [];
  let number = 0;
  for (let round = 0; round < 40; round += 1) {
    const lines = Array.from({ length: 20_000 }, () => `${number++}\n`).join("");
    waits.push(log.append(round % 2 ? "stdout" : "stderr", Buffer.from(lines), round));
    if (round === 20) waits.push(log.flush());
  }
  assert.ok(
    waits.some((wait) => wait instanceof Promise),
    "the writer was told to wait",
  );
  assert.is((await log.finish()).lines, number);
  const lines = await readAll(world.store, KEY);
  assert.is(lines.length, number);
  assert.ok(lines.every(({ data }, index) => Buffer.from(data).toString() === String(index)));
});

logs("what waits to be written is bounded while a fast writer obeys", async () => {
  await using world = await logWorld();
  const log = world.store.create(KEY, first);
  const chunk = Buffer.alloc(64 * 1024, "0123456789abcde\n");
  let waited = 0;
  for (let round = 0; round < 800; round += 1) {
    const wait = log.append("stdout", chunk, round);
    if (wait) {
      waited += 1;
      await wait;
    }
  }
  assert.ok(waited >= 30, `had to wait ${waited} times for 50 MB`);
  assert.is((await log.finish()).bytes, 800 * 64 * 1024);
});

logs("thousands of small logs at once come out whole", async () => {
  await using world = await logWorld();
  await Promise.all(
    Array.from({ length: 2_000 }, async (_, build) => {
      const log = world.store.create(`b/${build}/1-stdio`, first);
      log.append("header", Buffer.from(`build ${build}\n`), 1);
      await log.finish();
    }),
  );
  for (const build of [0, 127, 128, 1_999]) {
    assert.equal(texts(await readAll(world.store, `b/${build}/1-stdio`)), [`build ${build}`]);
  }
  assert.is((await filesBelow(world.folder)).length, 2_000);
});

logs("more logs are open for reading at once than files are kept open", async () => {
  await using world = await logWorld();
  const readers = [];
  for (let build = 0; build < 100; build += 1) {
    const log = world.store.create(`b/${build}/log`, first);
    log.append("stdout", Buffer.from(`build ${build}\n`), 1);
    await log.finish();
    readers.push(await world.store.open(`b/${build}/log`));
  }
  for (const [build, reader] of readers.entries()) {
    assert.equal(texts(await reader.lines(0, 1)), [`build ${build}`]);
    await reader[Symbol.asyncDispose]();
  }
});

logs.run();
