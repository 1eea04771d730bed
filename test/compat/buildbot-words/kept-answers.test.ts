import { isKnown, KeptAnswers, type Made } from "@belfry/buildbot-words";
import { type Api, type Caller, internal } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { fault, rejects } from "../../plugins/http/world.ts";

const test = suite("answers that are kept");

const never = new AbortController().signal;
const other: Caller = { ...internal, name: "other" };

/** An API whose newest position the test moves. */
function world() {
  const state = { position: 1, refuse: false, made: 0 };
  const api = {
    async call() {
      if (state.refuse) throw fault("BELFRY_FORBIDDEN", "No.");
      return { next: String(state.position) };
    },
  } as unknown as Api;
  const make =
    (more: Partial<Made> = {}) =>
    async () => ({ text: `made ${++state.made}`, ...more });
  return { state, api, make, answers: new KeptAnswers(api) };
}

const text = async (kept: Promise<{ body: Buffer }>) => (await kept).body.toString();

test("an answer is given again until something happens", async () => {
  const { state, answers, make } = world();
  const ask = () => text(answers.get("q", internal, never, make()));
  assert.equal([await ask(), await ask()], ["made 1", "made 1"]);
  state.position = 2;
  assert.equal([await ask(), await ask()], ["made 2", "made 2"]);
});

test("each caller and each question has an answer of its own", async () => {
  const { answers, make } = world();
  const one = await answers.get("q", internal, never, async () => ({ text: "same" }));
  const two = await answers.get("q", other, never, async () => ({ text: "same" }));
  assert.is.not(one.etag, two.etag);
  assert.match(one.etag, /^"[\w-]{27}"$/);
  assert.is(await text(answers.get("p", internal, never, make())), "made 1");
});

test("who may no longer do what he could is given nothing that was kept then", async () => {
  const { answers, make } = world();
  const ann = (scope: "admin" | "read"): Caller => ({
    ...other,
    name: "ann",
    kind: "session",
    scopes: new Set([scope]),
  });
  const ask = (caller: Caller) => text(answers.get("q", caller, never, make()));
  assert.equal(
    [await ask(ann("admin")), await ask(ann("read")), await ask(ann("admin"))],
    ["made 1", "made 2", "made 1"],
  );
});

test("what was kept is not given to who may not read any more", async () => {
  const { state, answers, make } = world();
  await answers.get("q", internal, never, make());
  state.refuse = true;
  assert.is(((await rejects(answers.get("q", internal, never, make()))) as { code: string }).code, "BELFRY_FORBIDDEN");
});

test("what changes by itself holds only so long", async () => {
  const { answers, make } = world();
  const ask = () => text(answers.get("q", internal, never, make({ lasts: 0 })));
  assert.equal([await ask(), await ask()], ["made 1", "made 2"]);
});

test("who asks while an answer is made gets the next one, together with the others", async () => {
  const { state, answers } = world();
  const gates: (() => void)[] = [];
  const make = async () => {
    const text = `made ${++state.made} at ${state.position}`;
    await new Promise<void>((resolve) => gates.push(resolve));
    return { text };
  };
  const ask = () => text(answers.get("q", internal, never, make));
  const first = ask();
  while (gates.length < 1) await new Promise((resolve) => setImmediate(resolve));
  state.position = 2;
  const later = Array.from({ length: 20 }, ask);
  gates[0]?.();
  assert.is(await first, "made 1 at 1");
  while (gates.length < 2) await new Promise((resolve) => setImmediate(resolve));
  gates[1]?.();
  assert.equal(new Set(await Promise.all(later)), new Set(["made 2 at 2"]));
  assert.is(state.made, 2);
});

test("an answer that failed is not kept", async () => {
  const { answers, make } = world();
  const failing = () => answers.get("q", internal, never, () => Promise.reject(new Error("no")));
  assert.match(String(await rejects(failing())), "no");
  assert.is(await text(answers.get("q", internal, never, make())), "made 1");
});

test("work ends when nobody waits for it any more, and not before", async () => {
  const { answers, make } = world();
  const clients = [new AbortController(), new AbortController(), new AbortController()];
  const signals: AbortSignal[] = [];
  const hang = (signal: AbortSignal) => {
    signals.push(signal);
    return new Promise<Made>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  };
  const asked = clients.map((client) => rejects(answers.get("q", internal, client.signal, hang)));
  while (signals.length < 1) await new Promise((resolve) => setImmediate(resolve));
  clients[0]?.abort(new Error("gone 0"));
  assert.match(String(await asked[0]), "gone 0");
  assert.is(signals[0]?.aborted, true);
  while (signals.length < 2) await new Promise((resolve) => setImmediate(resolve));
  clients[1]?.abort(new Error("gone 1"));
  await asked[1];
  assert.is(signals[1]?.aborted, false);
  clients[2]?.abort(new Error("gone 2"));
  await asked[2];
  assert.is(signals[1]?.aborted, true);
  assert.is(await text(answers.get("q", internal, never, make())), "made 1");
  assert.match(String(await rejects(answers.get("p", internal, AbortSignal.abort(new Error("late")), make()))), "late");
});

test("no more is kept than the limits allow, and the longest unused goes first", async () => {
  const { api, make } = world();
  const answers = new KeptAnswers(api, { entries: 2, bytes: 1_000 });
  const ask = (question: string) => text(answers.get(question, internal, never, make()));
  assert.equal(
    [await ask("a"), await ask("b"), await ask("a"), await ask("c")],
    ["made 1", "made 2", "made 1", "made 3"],
  );
  assert.equal([await ask("a"), await ask("b")], ["made 1", "made 4"]);
  const large = () => text(answers.get("large", internal, never, make({ text: "x".repeat(300) })));
  await large();
  await large();
  assert.is(await ask("b"), "made 4");
  assert.is(await ask("d"), "made 7");
});

test("a header If-None-Match may have several tags, weak ones, or a star", () => {
  assert.ok(isKnown('"a"', '"a"') && isKnown('"b", W/"a"', '"a"') && isKnown("*", '"a"'));
  assert.not(isKnown("", '"a"') || isKnown('"ab"', '"a"') || isKnown("a", '"a"'));
});

test.run();
