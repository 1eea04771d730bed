import { nightly, periodic } from "@belfry/schedulers";
import { createPart, rejects, runChecks, schedulerContract } from "@belfry/testkit";
import type { BelfryError, z } from "belfry";
import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DrivenScheduler } from "./driven-scheduler.ts";

const test = suite("periodic and nightly");
type Nightly = z.input<typeof nightly.definition.options>;
type Periodic = z.input<typeof periodic.definition.options>;
const night = (options: Partial<Nightly> = {}) =>
  createPart(
    nightly,
    { builders: ["unit"], at: "30 2 * * *", timeZone: "Europe/Berlin", ...options },
    { name: "night" },
  );
const each = (options: Partial<Periodic> = {}) =>
  createPart(periodic, { builders: ["unit"], every: "1h", ...options }, { name: "hourly" });

const HOUR = 3_600_000;
const utc = (text: string) => Date.parse(`${text}Z`);
const at = (driven: DrivenScheduler, text: string) => {
  driven.now = utc(text);
  return driven;
};

/** Every time at which it builds, woken when it wants to be. */
async function times(driven: DrivenScheduler, until: string): Promise<string[]> {
  const end = utc(until);
  const found: string[] = [];
  await driven.pass();
  while (driven.wakeAt !== undefined && driven.wakeAt <= end) {
    driven.now = driven.wakeAt;
    for (const _ of await driven.pass()) found.push(new Date(driven.now).toISOString().slice(0, 16));
  }
  driven.now = end;
  return found;
}

test("nightly builds at its times, with a stamp of the newest", async () => {
  const core = at(
    new DrivenScheduler(() => night({ branch: "main", repository: "repo", properties: { a: [1] } })),
    "2026-01-10T12:00",
  );
  assert.equal(await core.pass(), [], "not at once");
  assert.is(core.wakeAt, utc("2026-01-11T01:30"));
  core.now = core.wakeAt as number;
  assert.equal(await core.pass(), [
    {
      builders: ["unit"],
      sourceStamps: [{ repository: "repo", branch: "main", revision: null, codebase: "", project: "" }],
      changes: [],
      reason: "30 2 * * * (Europe/Berlin)",
      properties: { a: [1], scheduler: "night" },
      priority: 0,
    },
  ]);
  assert.equal(await core.pass(), [], "and not twice at the same time");
  assert.is(core.wakeAt, utc("2026-01-12T01:30"));
});

test("where daylight saving skips a time it builds right after; where a time comes twice it builds once", async () => {
  const spring = at(new DrivenScheduler(() => night()), "2026-03-27T12:00");
  assert.equal(await times(spring, "2026-03-31T00:00"), ["2026-03-28T01:30", "2026-03-29T01:00", "2026-03-30T00:30"]);
  const autumn = at(new DrivenScheduler(() => night()), "2026-10-23T12:00");
  assert.equal(await times(autumn, "2026-10-27T00:00"), ["2026-10-24T00:30", "2026-10-25T00:30", "2026-10-26T01:30"]);
  const half = at(new DrivenScheduler(() => night({ at: "*/30 * * * *" })), "2026-10-24T23:45");
  assert.is((await times(half, "2026-10-25T03:15")).length, 7, "what comes every half hour goes on through both hours");
});

test("several patterns are one list of times", async () => {
  const core = at(
    new DrivenScheduler(() => night({ at: ["0 6 * * MON-FRI", "0 12 * * *", "0 12 1 * *"], timeZone: "UTC" })),
    "2026-01-30T00:00",
  );
  assert.equal(await times(core, "2026-02-02T08:00"), [
    "2026-01-30T06:00",
    "2026-01-30T12:00",
    "2026-01-31T12:00",
    "2026-02-01T12:00",
    "2026-02-02T06:00",
  ]);
});

test("in any zone, over any day, it builds once for each day and never twice in a row for one time", async () => {
  const zones = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "Asia/Kathmandu",
    "UTC",
  ];
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...zones),
      fc.nat(23),
      fc.nat(59),
      fc.integer({ min: utc("2017-01-01T00:00"), max: utc("2026-12-01T00:00") }),
      fc.array(fc.nat(20 * HOUR), { maxLength: 10 }),
      async (timeZone, hour, minute, start, restarts) => {
        const core = new DrivenScheduler(() => night({ at: `${minute} ${hour} * * *`, timeZone }));
        core.now = start;
        const days = new Intl.DateTimeFormat("en-CA", { timeZone, dateStyle: "short" });
        const built: string[] = [];
        await core.pass();
        const end = start + 12 * 24 * HOUR;
        const disturbances = restarts.map((after, i) => start + i * 24 * HOUR + after);
        while (core.now < end) {
          const next = Math.min(core.wakeAt as number, ...disturbances.filter((time) => time > core.now));
          core.now = next;
          for (const _ of await core.pass()) built.push(days.format(core.now));
        }
        assert.equal([...new Set(built)], built, "no day has two");
        assert.ok(built.length >= 11, `${built.length} of 12 days`);
      },
    ),
    { numRuns: 200 },
  );
});

test("times that passed while no master ran are built once, and the reason says so", async () => {
  const core = at(new DrivenScheduler(() => night()), "2026-01-10T12:00");
  await core.pass();
  at(core, "2026-01-14T09:00");
  const [late, ...others] = await core.pass();
  assert.is(others.length, 0);
  assert.is(late?.reason, "30 2 * * * (Europe/Berlin) (and for 3 times more that passed while no master ran)");
  assert.equal(await core.pass(), []);
  assert.is(core.wakeAt, utc("2026-01-15T01:30"));
  at(core, "2026-01-15T09:00");
  assert.is((await core.pass())[0]?.reason, "30 2 * * * (Europe/Berlin) (late: no master ran)");
  const often = at(new DrivenScheduler(() => night({ at: "* * * * *" })), "2026-01-10T12:00");
  await often.pass();
  at(often, "2026-03-10T12:00");
  assert.match((await often.pass())[0]?.reason ?? "", /19 times more/);
});

test("or they are left out, which the next reason says", async () => {
  const core = at(new DrivenScheduler(() => night({ missed: "skip" })), "2026-01-10T12:00");
  await core.pass();
  at(core, "2026-01-13T09:00");
  assert.equal(await core.pass(), []);
  assert.is(core.wakeAt, utc("2026-01-14T01:30"));
  at(core, "2026-01-14T01:34");
  assert.match(
    (await core.pass())[0]?.reason ?? "",
    /\(3 times before it passed while no master ran, and were left out\)/,
  );
  at(core, "2026-01-15T01:30");
  assert.is((await core.pass())[0]?.reason, "30 2 * * * (Europe/Berlin)");
  const often = at(new DrivenScheduler(() => night({ missed: "skip", at: "* * * * *" })), "2026-01-10T12:00");
  await often.pass();
  at(often, "2026-03-10T12:00");
  assert.is((await often.pass()).length, 1, "one of them is due right now");
});

test("times that passed while it was disabled do not count", async () => {
  const core = at(new DrivenScheduler(() => night()), "2026-01-10T12:00");
  await core.pass();
  core.enabledAt = utc("2026-01-13T09:00");
  at(core, "2026-01-13T09:00");
  assert.equal(await core.pass(), []);
  assert.is(core.wakeAt, utc("2026-01-14T01:30"));
  const hourly = at(new DrivenScheduler(() => each()), "2026-01-10T12:00");
  await hourly.pass();
  hourly.enabledAt = utc("2026-01-10T20:10");
  at(hourly, "2026-01-10T20:10");
  assert.equal(await hourly.pass(), []);
  assert.is(hourly.wakeAt, utc("2026-01-10T21:10"));
});

test("other times than before count from when they are configured", async () => {
  const core = at(new DrivenScheduler(() => night({ at: "30 2 * * *" })), "2026-01-10T00:00");
  await core.pass();
  at(core, "2026-01-10T01:30");
  assert.is((await core.pass()).length, 1);
  const changed = at(new DrivenScheduler(() => night({ at: "0 5 * * *" })), "2026-01-10T12:00");
  changed.state = core.state;
  assert.equal(await changed.pass(), [], "05:00 was no time of it this morning");
  assert.is(changed.wakeAt, utc("2026-01-11T04:00"));
});

test("periodic builds at once and then again and again, without drifting", async () => {
  const core = at(new DrivenScheduler(() => each()), "2026-01-10T12:00");
  const [first] = await core.pass();
  assert.is(first?.reason, "every hour");
  assert.is(core.wakeAt, utc("2026-01-10T13:00"));
  core.now = (core.wakeAt as number) + 700;
  assert.is((await core.pass()).length, 1);
  assert.is(core.wakeAt, utc("2026-01-10T14:00"));
  at(core, "2026-01-10T19:30");
  const [late] = await core.pass();
  assert.match(late?.reason ?? "", /and for 5 times more/);
  assert.is(core.wakeAt, utc("2026-01-10T20:30"), "it is an hour after the build");
});

test("a shorter or longer time between counts from the last build", async () => {
  const core = at(new DrivenScheduler(() => each()), "2026-01-10T12:00");
  await core.pass();
  const shorter = at(new DrivenScheduler(() => each({ every: "10m" })), "2026-01-10T12:05");
  shorter.state = core.state;
  assert.equal(await shorter.pass(), []);
  assert.is(shorter.wakeAt, utc("2026-01-10T12:10"));
});

test("a clock that was set back keeps nothing from being built", async () => {
  const core = at(new DrivenScheduler(() => each()), "2027-01-10T12:00");
  await core.pass();
  at(core, "2026-01-10T12:00");
  await core.pass();
  assert.is(core.wakeAt, utc("2026-01-10T13:00"));
});

test("onlyIfChanged builds only after an important change, with all that collected", async () => {
  const core = at(
    new DrivenScheduler(() => each({ onlyIfChanged: true, branch: "main", paths: "src/**" })),
    "2026-01-10T12:00",
  );
  assert.equal(await core.pass(), [], "nothing has changed yet");
  const docs = core.change({ files: ["docs/a"] });
  const other = core.change({ branch: "dev" });
  await core.pass(docs, other);
  at(core, "2026-01-10T13:00");
  assert.equal(await core.pass(), []);
  assert.equal(each({ onlyIfChanged: true }).waits?.(core.state, core.now), [
    { reason: "time", until: utc("2026-01-10T14:00"), changes: 1 },
  ]);
  const source = core.change();
  assert.equal(await core.pass(source), [], "not before its time");
  at(core, "2026-01-10T14:00");
  const [build] = await core.pass();
  assert.equal(build?.changes, [docs.id, source.id]);
  assert.equal(
    build?.sourceStamps.map(({ revision }) => revision),
    [source.revision],
  );
  at(core, "2026-01-10T15:00");
  assert.equal(await core.pass(), []);
});

test("a time and the change that it needs may come in the same pass, and a repeated pass decides the same", async () => {
  const core = at(new DrivenScheduler(() => night({ onlyIfChanged: true })), "2026-01-10T12:00");
  await core.pass();
  at(core, "2026-01-11T01:30");
  const change = core.change();
  assert.equal(await core.ask([change]), await core.ask([change]));
  assert.equal(
    (await core.pass(change)).map(({ changes }) => changes),
    [[change.id]],
  );
});

test("with codebases each build has a stamp of each, at its newest known state", async () => {
  const codebases = {
    app: { repository: "app.git", branch: "main" },
    lib: { repository: "lib.git", branch: "stable" },
  };
  const core = at(new DrivenScheduler(() => each({ codebases })), "2026-01-10T12:00");
  await core.pass();
  await core.pass(
    core.change({ codebase: "lib", repository: "lib.git", branch: "stable", revision: "l1" }),
    core.change({ codebase: "lib", repository: "lib.git", branch: "wip", revision: "l2" }),
  );
  at(core, "2026-01-10T13:00");
  const [build] = await core.pass();
  assert.equal(
    build?.sourceStamps.map(({ codebase, branch, revision }) => [codebase, branch, revision]),
    [
      ["app", "main", null],
      ["lib", "stable", "l1"],
    ],
  );
});

test("what is remembered is bounded", async () => {
  const core = at(new DrivenScheduler(() => night({ onlyIfChanged: true })), "2026-01-10T12:00");
  for (let i = 0; i < 30; i += 1) await core.pass(...Array.from({ length: 100 }, () => core.change()));
  assert.ok(JSON.stringify(core.state).length < 10_000);
  at(core, "2026-01-11T01:30");
  const [build] = await core.pass();
  assert.is(build?.changes?.length, 1_000);
  assert.is(build?.changes?.at(-1), 3_000);
});

test("a state that it did not write is refused", async () => {
  for (const state of [{ version: 2 }, { version: 1 }, null, "x"]) {
    const core = new DrivenScheduler(() => night());
    core.state = state as never;
    const error = await rejects(core.pass(), JSON.stringify(state));
    assert.is((error as BelfryError).code, "BELFRY_SCHEDULERS_STATE_UNKNOWN");
  }
});

test("options that cannot be right are refused before anything starts", () => {
  const refused = (options: object) => {
    const read = nightly.definition.options.safeParse({ builders: ["x"], ...options });
    return read.error?.issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("\n") ?? "";
  };
  assert.is(refused({ at: "0 0 * * *" }), "");
  assert.match(refused({ at: "* * *" }), /^at: expected five fields as in a crontab/);
  assert.match(refused({ at: "0 0 0 * * *" }), /^at: expected five fields/);
  assert.match(refused({ at: ["0 0 * * *", "61 * * * *"] }), /^at.1: .*minute/);
  assert.match(refused({ at: "0 0 30 2 *" }), /there is no such day/);
  assert.match(refused({ at: "0 0 * * *", timeZone: "Mars/Olympus" }), /^timeZone: expected a time zone/);
  assert.match(refused({}), /^at: /);
  for (const every of [0, 999, "soon"])
    assert.is(periodic.definition.options.safeParse({ builders: ["x"], every }).success, false);
});

runChecks(
  test,
  schedulerContract("nightly", {
    make: () => night({ onlyIfChanged: true }),
    passes: [{}, { changes: [{}] }, { after: 24 * HOUR }, { after: 24 * HOUR }],
  }),
);
runChecks(test, schedulerContract("periodic", { make: () => each(), passes: [{}, { after: HOUR }, { after: 10 }] }));

test.run();
