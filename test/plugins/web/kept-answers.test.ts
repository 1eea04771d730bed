import { Readable } from "node:stream";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { WebAnswer } from "../../../plugins/web/src/answering.ts";
import { KeptAnswers } from "../../../plugins/web/src/kept-answers.ts";

const test = suite("answers that are given again");

const page = (body: WebAnswer["body"]): WebAnswer => ({ status: 200, headers: {}, body });
const never = new AbortController().signal;

test("a page that many ask for at once is made once, and kept until something happens", async () => {
  const kept = new KeptAnswers();
  const open = Promise.withResolvers<void>();
  let made = 0;
  const make = async () => {
    made += 1;
    await open.promise;
    return page(`number ${made}`);
  };
  const crowd = Array.from({ length: 8 }, () => kept.answer("/", "7", never, make));
  open.resolve();
  assert.equal(
    (await Promise.all(crowd)).map(({ body }) => String(body)),
    Array(8).fill("number 1"),
  );
  assert.is(String((await kept.answer("/", "7", never, make)).body), "number 1");
  assert.is(String((await kept.answer("/", "8", never, make)).body), "number 2", "something has happened");
  assert.is(String((await kept.answer("/other", "8", never, make)).body), "number 3");
});

test("a page that is given again is made into bytes once, and one that is given once is not", async () => {
  const kept = new KeptAnswers();
  const make = async () => page("größer");
  const once = await kept.answer("/", "1", never, make);
  assert.is(once.body, "größer");
  const [second, third] = [await kept.answer("/", "1", never, make), await kept.answer("/", "1", never, make)];
  assert.equal(second.body, Buffer.from("größer"));
  assert.is(second.body, third.body, "the very same");
  const crowd = await Promise.all(Array.from({ length: 3 }, () => kept.answer("/", "2", never, make)));
  assert.is(crowd[1]?.body, crowd[2]?.body);
});

test("who leaves takes nothing from those who wait, and the last to leave ends the work", async () => {
  const kept = new KeptAnswers();
  const open = Promise.withResolvers<void>();
  const signals: AbortSignal[] = [];
  const make = async (signal: AbortSignal) => {
    signals.push(signal);
    await open.promise;
    signal.throwIfAborted();
    return page("made");
  };
  const [first, second] = [new AbortController(), new AbortController()];
  const leaving = kept.answer("/", "1", first.signal, make);
  const staying = kept.answer("/", "1", second.signal, make);
  first.abort();
  assert.not.ok(signals[0]?.aborted);
  open.resolve();
  assert.is(String((await staying).body), "made");
  await leaving;
  const alone = new AbortController();
  const given = kept.answer("/", "2", alone.signal, make).catch((error: Error) => error.name);
  alone.abort();
  assert.ok(signals[1]?.aborted);
  assert.is(await given, "AbortError");
});

test("who comes when all others have just left gets a page of his own", async () => {
  const kept = new KeptAnswers();
  const open = Promise.withResolvers<void>();
  const make = async (signal: AbortSignal) => {
    await open.promise;
    signal.throwIfAborted();
    return page("made");
  };
  const impatient = new AbortController();
  const gone = kept.answer("/", "1", impatient.signal, make).catch((error: Error) => error.name);
  impatient.abort();
  const reloaded = kept.answer("/", "1", never, make);
  open.resolve();
  assert.is(String((await reloaded).body), "made");
  assert.is(await gone, "AbortError");
});

test("a failure is told to all who waited, and not kept", async () => {
  const kept = new KeptAnswers();
  let tries = 0;
  const make = async () => {
    tries += 1;
    if (tries === 1) throw new Error("broken");
    return page("fine");
  };
  const both = await Promise.allSettled([kept.answer("/", "1", never, make), kept.answer("/", "1", never, make)]);
  assert.equal(
    both.map(({ status }) => status),
    ["rejected", "rejected"],
  );
  assert.is(String((await kept.answer("/", "1", never, make)).body), "fine");
});

test("a stream is never given twice, and ends when its own reader leaves", async () => {
  const kept = new KeptAnswers();
  const signals: AbortSignal[] = [];
  const make = async (signal: AbortSignal) => {
    signals.push(signal);
    return page(Readable.from(["log"]));
  };
  const reader = new AbortController();
  const [one, other] = await Promise.all([
    kept.answer("/", "1", reader.signal, make),
    kept.answer("/", "1", never, make),
  ]);
  assert.is.not(one.body, other.body);
  assert.is.not((await kept.answer("/", "1", never, make)).body, other.body);
  reader.abort();
  assert.equal(
    signals.map(({ aborted }) => aborted),
    [true, false, false],
  );
});

test.run();
