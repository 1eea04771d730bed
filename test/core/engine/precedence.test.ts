import { anyBranch } from "@belfry/schedulers";
import { shell } from "@belfry/steps";
import { fakeWorker, rejects, step, testMaster } from "@belfry/testkit";
import { localWorker } from "@belfry/worker";
import { BelfryError, type Json, property } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DATABASES } from "../databases.ts";

const test = suite("where properties and environment come from");

type Place = "change" | "scheduler" | "builder" | "builder default" | "build" | "worker" | "worker default" | "step";

/** Who sets a property, and whose value the build has after all steps; each line is the property of one build. */
const TABLE: [places: Place[], winner: Place][] = [
  [["change"], "change"],
  [["scheduler", "change"], "scheduler"],
  [["builder", "scheduler", "change"], "builder"],
  [["worker", "builder", "scheduler", "change"], "worker"],
  [["step", "worker", "builder", "scheduler", "change"], "step"],
  [["builder", "change"], "builder"],
  [["worker", "scheduler"], "worker"],
  [["builder default"], "builder default"],
  [["builder default", "change"], "change"],
  [["builder default", "scheduler"], "scheduler"],
  [["builder default", "builder"], "builder"],
  [["builder default", "worker"], "worker"],
  [["worker default"], "worker default"],
  [["worker default", "builder default"], "builder default"],
  [["worker default", "change"], "change"],
  [["worker default", "worker"], "worker"],
  [["worker default", "step"], "step"],
];

/** Properties that say what the build is. */
const OWN: [name: string, places: Place[], winner: Place][] = [
  ["branch", ["change", "scheduler", "builder", "builder default"], "build"],
  ["buildername", ["worker default"], "build"],
  ["revision", ["worker", "builder"], "worker"],
  ["workername", ["step"], "step"],
];

const SOURCES: Record<Place, string> = {
  change: "Change",
  scheduler: "Scheduler",
  builder: "Builder",
  "builder default": "Builder",
  build: "Build",
  worker: "Worker",
  "worker default": "Worker",
  step: "step",
};

const lines: { name: string; places: Place[]; winner: Place }[] = [
  ...TABLE.map(([places, winner], i) => ({ name: `p${i}`, places, winner })),
  ...OWN.map(([name, places, winner]) => ({ name, places, winner })),
];

const given = (place: Place): Record<string, Json> =>
  Object.fromEntries(lines.filter(({ places }) => places.includes(place)).map(({ name }) => [name, `of ${place}`]));

for (const kind of DATABASES) {
  test(`${kind.name}: each property has the value and source of the last in Buildbot's order that sets it`, async () => {
    await using database = await kind.open();
    let seen: Record<string, { value: Json; source: string }> = {};
    await using kit = await testMaster({
      config: {
        database: database.entry,
        workers: [fakeWorker({ name: "w", properties: given("worker"), defaultProperties: given("worker default") })],
        schedulers: [anyBranch({ name: "s", builders: ["b"], properties: given("scheduler") })],
        builders: [
          {
            name: "b",
            workers: ["w"],
            properties: given("builder"),
            defaultProperties: given("builder default"),
            steps: [
              step({
                run(ctx) {
                  for (const [name, value] of Object.entries(given("step"))) ctx.properties.set(name, value);
                  seen = ctx.properties.all();
                  return { result: "success" };
                },
              }),
            ],
          },
        ],
      },
    });
    await kit.addChange({ branch: "main", revision: "r1", properties: given("change") });
    await kit.event("build.finished");
    const kept = (await kit.call("builds.get", { builder: "b", number: 1 })).properties;
    const own: Record<string, Json> = { branch: "main", buildername: "b", revision: "r1", workername: "w" };
    for (const { name, places, winner } of lines) {
      const value = winner === "build" ? own[name] : `of ${winner}`;
      assert.equal(seen[name], { value, source: SOURCES[winner] }, `${name}, set by ${places.join(", ")}`);
      // What follows from the build anyway is not kept.
      const stored = winner === "build" ? undefined : { value, source: SOURCES[winner] };
      assert.equal(kept[name], stored, `${name} as it is kept`);
    }
  });
}

/** Who sets a variable, and what a command sees. */
const VARIABLES: [places: ("worker" | "builder" | "step")[], winner: string][] = [
  [["worker"], "worker"],
  [["builder"], "builder"],
  [["step"], "step"],
  [["worker", "builder"], "builder"],
  [["worker", "step"], "step"],
  [["builder", "step"], "step"],
  [["worker", "builder", "step"], "step"],
  [[], ""],
];

test("each variable of a command has the value of the step, or else of the builder, or else of the worker", async () => {
  const env = (place: "worker" | "builder" | "step") =>
    Object.fromEntries(VARIABLES.flatMap(([places], i) => (places.includes(place) ? [[`BELFRY_V${i}`, place]] : [])));
  await using kit = await testMaster({
    config: {
      workers: [localWorker({ name: "w", env: { ...env("worker"), BELFRY_GONE: "x" }, properties: { of: "worker" } })],
      schedulers: [anyBranch({ name: "s", builders: ["b"] })],
      builders: [
        {
          name: "b",
          workers: ["w"],
          env: { ...env("builder"), BELFRY_GONE: null, BELFRY_RENDERED: property("of") as never },
          steps: [
            shell({
              command: `for i in ${VARIABLES.map((_, i) => i).join(" ")}; do eval echo "$i: \\$BELFRY_V$i"; done; echo "\${BELFRY_GONE-gone} $BELFRY_RENDERED"`,
              env: env("step"),
            }),
          ],
        },
      ],
    },
  });
  await kit.addChange({ branch: "main" });
  const { data } = await kit.event("build.finished");
  const text = await kit.logText(data.build, 1);
  for (const [i, [places, winner]] of VARIABLES.entries())
    assert.ok(
      text.split("\n").some((line) => line.trim() === `${i}: ${winner}`.trim()),
      `${places}: ${text}`,
    );
  assert.match(text, "gone worker");
});

test("properties of a worker or builder that are none are refused with their path", async () => {
  const error = await rejects(
    testMaster({
      config: {
        workers: [fakeWorker({ name: "w", properties: "x" as never, defaultProperties: { f: (() => 1) as never } })],
        builders: [{ name: "b", workers: ["w"], steps: [], defaultProperties: [] as never }],
      },
    }),
  );
  assert.ok(BelfryError.is(error));
  assert.equal(error.details.map(({ path }) => path).sort(), [
    "builders[0].defaultProperties",
    "workers[0].options.defaultProperties.f",
    "workers[0].options.properties",
  ]);
});

test.run();
