import { logStoreContract } from "@belfry/testkit";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { brokenPromises } from "./broken-promises.ts";
import { MemoryLogStore } from "./memory-log-store.ts";

const test = suite("logStoreContract");
const contract = (fault = "") =>
  logStoreContract("x", async () => ({ store: new MemoryLogStore(fault), close: async () => {} }));

test("a store that keeps its promises passes", async () => {
  assert.equal(await brokenPromises(contract()), []);
});

const faults: [fault: string, promise: RegExp][] = [
  ["one channel", /^gives lines back as they were written/],
  ["last time", /^puts lines together/],
  ["pieces are lines", /^puts lines together/],
  ["long lines", /^cuts a line that is too long/],
  ["cut unsaid", /^cuts a line that is too long/],
  ["keeps buffers", /^keeps the order of appends/],
  ["grows lines", /^shows what was written after a flush/],
  ["shows unfinished", /^does not show lines/],
  ["late lines", /^shows what was written after a flush/],
  ["off by one", /^reads any lines of a long log/],
  ["follows once", /^follows a log from any line/],
  ["throws at abort", /^ends a follower whose signal aborts/],
  ["no cap", /^stops at its cap/],
  ["silent cap", /^stops at its cap/],
  ["plain error", /^knows no log that nobody wrote/],
  ["any key", /^takes no key that leads elsewhere/],
  ["throws twice", /^removes a log, or all below/],
  ["loose prefix", /^removes a log, or all below/],
  ["no segments", /^goes on with a log under a higher fence/],
  ["does not seal", /^seals a log whose writer died/],
];

for (const [fault, promise] of faults) {
  test(`finds a store with the fault "${fault}"`, async () => {
    const wanted = contract(fault).filter(({ title }) => promise.test(title.replace("x: ", "")));
    assert.is(wanted.length, 1);
    assert.is((await brokenPromises(wanted)).length, 1);
  });
}

test.run();
