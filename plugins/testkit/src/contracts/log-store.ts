import * as assert from "node:assert/strict";
import {
  BelfryError,
  type LogAppender,
  type LogChannel,
  type LogLine,
  type LogReader,
  type LogStore,
  MAX_LINE_BYTES,
} from "belfry";
import { type Check, CheckList } from "../checks.ts";
import { rejects, until, within } from "../waiting.ts";

export interface OpenLogStore {
  store: LogStore;
  close(): Promise<void>;
}

const LARGE = 100_000_000;
const TIME = 1_700_000_000_000;
const bytes = (text: string) => Buffer.from(text);

/** What the interface `LogStore` promises, as checks. `open` makes an empty store for each check. */
export function logStoreContract(name: string, open: () => Promise<OpenLogStore>): Check[] {
  const list = new CheckList(name);

  const check = (title: string, work: (store: LogStore) => Promise<void>) =>
    list.add(title, async () => {
      const { store, close } = await open();
      try {
        await store.start?.();
        try {
          await within(60_000, "the check", work(store));
        } finally {
          await store.stop?.();
        }
      } finally {
        await close();
      }
    });

  check("gives lines back as they were written, with channel, number and time", async (store) => {
    const log = store.create("a/log", { fence: 1, capBytes: LARGE });
    await log.append("header", bytes("$ make\n"), TIME);
    await log.append("stdout", bytes("one\ntwo\r\n"), TIME + 1);
    await log.append("stderr", bytes("\n"), TIME + 2);
    await log.finish();
    await using reader = await store.open("a/log");
    assert.deepEqual(shown(await reader.lines(0, 10)), [
      [0, "header", TIME, "$ make"],
      [1, "stdout", TIME + 1, "one"],
      [2, "stdout", TIME + 1, "two\r"],
      [3, "stderr", TIME + 2, ""],
    ]);
  });

  check("puts lines together that arrive in pieces, each channel for itself", async (store) => {
    const log = store.create("log", { fence: 1, capBytes: LARGE });
    await log.append("stdout", bytes("he"), TIME);
    await log.append("stderr", bytes("oh"), TIME + 1);
    await log.append("stdout", bytes("llo\nwor"), TIME + 2);
    await log.append("stderr", bytes(" no\n"), TIME + 3);
    await log.append("stdout", bytes("ld"), TIME + 4);
    await log.finish();
    await using reader = await store.open("log");
    const lines = await reader.lines(0, 10);
    assert.deepEqual(
      lines.map(({ number }) => number),
      [0, 1, 2],
    );
    assert.deepEqual(textsOf(lines, "stdout"), ["hello", "world"]);
    assert.deepEqual(textsOf(lines, "stderr"), ["oh no"]);
    const times = new Map(lines.map(({ data, time }) => [Buffer.from(data).toString(), time]));
    assert.deepEqual(
      [times.get("hello"), times.get("oh no")],
      [TIME, TIME + 1],
      "the time is that of a line's first byte",
    );
  });

  check("keeps bytes that are no text", async (store) => {
    const log = store.create("log", { fence: 1, capBytes: LARGE });
    const strange = Buffer.from([0, 0xff, 0xc3, 0x28, 0x80, 0x0d, 0x1b]);
    await log.append("stdout", Buffer.concat([strange, bytes("\n")]), TIME);
    await log.finish();
    await using reader = await store.open("log");
    assert.deepEqual(Buffer.from((await reader.lines(0, 1))[0]?.data ?? []), strange);
  });

  check("cuts a line that is too long into lines, and loses nothing of it", async (store) => {
    const log = store.create("log", { fence: 1, capBytes: LARGE });
    const long = bytes("0123456789".repeat(MAX_LINE_BYTES / 4));
    await log.append("stdout", long, TIME);
    await log.append("stdout", bytes("\nnext\n"), TIME);
    await log.finish();
    await using reader = await store.open("log");
    const lines = await reader.lines(0, 100);
    for (const { data } of lines) assert.ok(data.byteLength <= MAX_LINE_BYTES, "a line is longer than the limit");
    const last = lines.pop();
    assert.equal(Buffer.from(last?.data ?? []).toString(), "next");
    const whole = lines.map(({ continues }) => continues !== true);
    assert.equal(
      whole.indexOf(true),
      lines.length - 1,
      "a piece does not say that the line goes on, or the last one does",
    );
    assert.ok(Buffer.concat(lines.map(({ data }) => data)).equals(long));
  });

  check("keeps the order of appends that nobody awaited, and none of their buffers", async (store) => {
    const log = store.create("log", { fence: 1, capBytes: LARGE });
    const waits: Promise<void>[] = [];
    for (let i = 0; i < 2_000; i += 1) {
      const wait = log.append("stdout", bytes(`line ${i}\n`), TIME);
      if (wait !== undefined) waits.push(wait);
    }
    await Promise.all(waits);
    const buffer = bytes("mine\n");
    const wait = log.append("stdout", buffer, TIME);
    if (wait !== undefined) await wait;
    buffer.fill("x");
    await log.finish();
    await using reader = await store.open("log");
    const texts = textsOf(await reader.lines(0, 3_000), "stdout");
    assert.deepEqual(texts, [...Array.from({ length: 2_000 }, (_, i) => `line ${i}`), "mine"]);
  });

  check("shows what was written after a flush, an unfinished line too", async (store) => {
    const log = store.create("log", { fence: 1, capBytes: LARGE });
    await log.append("stdout", bytes("whole\nbegun"), TIME);
    await log.flush();
    await using reader = await store.open("log");
    assert.deepEqual(textsOf(await reader.lines(0, 10), "stdout"), ["whole", "begun"]);
    assert.equal((await reader.info()).finished, false);
    await log.append("stdout", bytes(" and ended\n"), TIME);
    await log.finish();
    const texts = textsOf(await reader.lines(0, 10), "stdout");
    assert.deepEqual(texts.slice(0, 2), ["whole", "begun"], "lines that a reader has seen do not change");
    assert.equal(texts.slice(1).join(""), "begun and ended", "nothing is missing");
    assert.equal((await reader.info()).finished, true, "a reader that is open sees the end");
  });

  check("counts lines and bytes", async (store) => {
    const log = store.create("log", { fence: 1, capBytes: LARGE });
    await log.append("stdout", bytes("one\ntwo\nthree\n"), TIME);
    const totals = await log.finish();
    assert.deepEqual({ ...totals }, { lines: 3, bytes: 14, truncated: false });
    assert.deepEqual({ ...log.totals }, { ...totals });
    assert.deepEqual({ ...(await log.finish()) }, { ...totals }, "to finish twice is harmless");
    await using reader = await store.open("log");
    assert.deepEqual({ ...(await reader.info()) }, { ...totals, finished: true });
  });

  check("reads any lines of a long log, while it is written and later", async (store) => {
    const count = 50_000;
    const log = store.create("log", { fence: 1, capBytes: LARGE });
    await writeNumbered(log, count);
    await log.flush();
    await using reader = await store.open("log");
    const look = async () => {
      for (const first of [0, 1, 24_999, 49_990]) {
        const wanted = Array.from({ length: Math.min(20, count - first) }, (_, i) => `line ${first + i}`);
        const lines = await reader.lines(first, 20);
        assert.deepEqual(textsOf(lines, "stdout"), wanted);
        assert.equal(lines[0]?.number, first);
      }
      assert.deepEqual(await reader.lines(count, 10), [], "there is nothing behind the end");
      assert.deepEqual(await reader.lines(5, 0), []);
    };
    await look();
    await log.finish();
    await look();
  });

  check("follows a log from any line until it is finished", async (store) => {
    const log = store.create("log", { fence: 1, capBytes: LARGE });
    await log.append("stdout", bytes("zero\none\n"), TIME);
    await log.flush();
    await using reader = await store.open("log");
    const seen: string[] = [];
    let ended = false;
    const following = collect(reader, 1, (text) => seen.push(text)).finally(() => {
      ended = true;
    });
    await until(() => ended || seen.length >= 1, "the first line");
    await log.append("stdout", bytes("two\nthree\n"), TIME);
    await log.flush();
    await until(() => ended || seen.length >= 3, "the lines that came later");
    await log.append("stdout", bytes("four\n"), TIME);
    await log.finish();
    await following;
    assert.deepEqual(seen, ["one", "two", "three", "four"]);
  });

  check("ends a follower whose signal aborts, without a throw", async (store) => {
    const log = store.create("log", { fence: 1, capBytes: LARGE });
    await log.append("stdout", bytes("one\n"), TIME);
    await log.flush();
    const stop = new AbortController();
    await using reader = await store.open("log");
    const seen: string[] = [];
    const following = collect(reader, 0, (text) => seen.push(text), stop.signal);
    await until(() => seen.length === 1, "the first line");
    stop.abort(new Error("gone"));
    await following;
    await log.finish();
    assert.deepEqual(seen, ["one"]);
  });

  check("gives the whole log as it was written", async (store) => {
    const log = store.create("log", { fence: 1, capBytes: LARGE });
    const parts = ["one\n", "two", " three\r\n", "four"];
    for (const part of parts) await log.append("stdout", bytes(part), TIME);
    await log.finish();
    await using reader = await store.open("log");
    const pieces: Uint8Array[] = [];
    for await (const piece of reader.raw()) pieces.push(Uint8Array.from(piece));
    assert.equal(Buffer.concat(pieces).toString().replace(/\n$/, ""), parts.join(""));
  });

  check("stops at its cap, and says so in one clear last line", async (store) => {
    const log = store.create("log", { fence: 1, capBytes: 10_000 });
    for (let i = 0; i < 1_000; i += 1) await log.append("stdout", bytes(`${"x".repeat(99)}\n`), TIME);
    const totals = await log.finish();
    assert.equal(totals.truncated, true);
    assert.ok(totals.bytes < 12_000, `it keeps ${totals.bytes} bytes`);
    await using reader = await store.open("log");
    const lines = await reader.lines(0, 2_000);
    assert.ok(lines.length >= 90, "too much was thrown away");
    assert.equal(lines.filter(({ channel }) => channel === "header").length, 1, "one line says so");
    assert.equal(lines.at(-1)?.channel, "header", "it is the last one");
    assert.deepEqual(new Set(textsOf(lines.slice(0, 90), "stdout")), new Set(["x".repeat(99)]));
  });

  check("an empty log is a log", async (store) => {
    const log = store.create("log", { fence: 1, capBytes: LARGE });
    await log.finish();
    await using reader = await store.open("log");
    assert.deepEqual({ ...(await reader.info()) }, { lines: 0, bytes: 0, truncated: false, finished: true });
    assert.deepEqual(await reader.lines(0, 10), []);
    await collect(reader, 0, () => assert.fail("there is no line"));
  });

  check("knows no log that nobody wrote", async (store) => {
    const error = await rejects(store.open("never/written"));
    assert.ok(BelfryError.is(error) && error.code === "BELFRY_LOG_NOT_FOUND", `it throws ${String(error)}`);
  });

  check("takes no key that leads elsewhere", async (store) => {
    for (const key of ["../log", "a/../../log", "/etc/log", "a\0b", "a b", `${"x".repeat(201)}`]) {
      await rejects(
        (async () => {
          const log = store.create(key, { fence: 1, capBytes: LARGE });
          await log.append("stdout", bytes("x\n"), TIME);
          await log.finish();
        })(),
        `writing to the key ${JSON.stringify(key)}`,
      );
      await rejects(store.open(key), `opening the key ${JSON.stringify(key)}`);
    }
  });

  check("removes a log, or all below a key, and nothing else", async (store) => {
    for (const key of ["a/1", "a/2", "ab/1", "b"]) {
      const log = store.create(key, { fence: 1, capBytes: LARGE });
      await log.append("stdout", bytes(`${key}\n`), TIME);
      await log.finish();
    }
    await store.remove("b");
    await store.remove("b");
    await rejects(store.open("b"), "opening a log that was removed");
    await store.remove("a/");
    await store.remove("a/");
    for (const key of ["a/1", "a/2"]) await rejects(store.open(key), "opening a log that was removed");
    await using reader = await store.open("ab/1");
    assert.deepEqual(textsOf(await reader.lines(0, 2), "stdout"), ["ab/1"]);
  });

  check("goes on with a log under a higher fence, one segment after the other", async (store) => {
    const first = store.create("log", { fence: 1, capBytes: LARGE });
    await first.append("stdout", bytes("one\n"), TIME);
    await first.finish();
    const second = store.create("log", { fence: 2, capBytes: LARGE });
    await second.append("stdout", bytes("two\n"), TIME);
    await second.finish();
    await using reader = await store.open("log");
    assert.deepEqual(
      shown(await reader.lines(0, 5)).map(([number, , , text]) => [number, text]),
      [
        [0, "one"],
        [1, "two"],
      ],
    );
    assert.equal((await reader.info()).finished, true);
  });

  check("seals a log whose writer died, with all that a reader may have seen", async (store) => {
    const dead = store.create("log", { fence: 1, capBytes: LARGE });
    await dead.append("stdout", bytes("one\ntwo\n"), TIME);
    await dead.flush();
    const totals = await store.seal("log", { fence: 2 });
    assert.equal(totals.lines, 2);
    await using reader = await store.open("log");
    assert.equal((await reader.info()).finished, true);
    assert.deepEqual(textsOf(await reader.lines(0, 5), "stdout"), ["one", "two"]);
  });

  check("does not show lines to a reader that change or vanish later", async (store) => {
    const log = store.create("log", { fence: 1, capBytes: LARGE });
    await writeNumbered(log, 3_000);
    await log.flush();
    await using reader = await store.open("log");
    await log.append("stderr", bytes("begun"), TIME);
    const before = shown(await reader.lines(0, 4_000));
    await log.append("stderr", bytes(" and ended\n"), TIME);
    await writeNumbered(log, 3_000);
    await log.finish();
    assert.deepEqual(shown(await reader.lines(0, before.length)), before);
  });

  return list.checks;
}

async function writeNumbered(log: LogAppender, count: number): Promise<void> {
  for (let start = 0; start < count; start += 1_000) {
    const text = Array.from({ length: Math.min(1_000, count - start) }, (_, i) => `line ${start + i}\n`).join("");
    await log.append("stdout", bytes(text), TIME);
  }
}

async function collect(
  reader: LogReader,
  first: number,
  add: (text: string) => unknown,
  signal?: AbortSignal,
): Promise<void> {
  for await (const lines of reader.follow(first, signal)) {
    for (const { data } of lines) add(Buffer.from(data).toString());
  }
}

function textsOf(lines: readonly LogLine[], wanted: LogChannel): string[] {
  return lines.filter(({ channel }) => channel === wanted).map(({ data }) => Buffer.from(data).toString());
}

function shown(lines: readonly LogLine[]): [number, LogChannel, number, string][] {
  return lines.map(({ number, channel, time, data }) => [number, channel, time, Buffer.from(data).toString()]);
}
