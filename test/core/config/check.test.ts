import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import git, { gitPoller } from "@belfry/git";
import { anyBranch, force } from "@belfry/schedulers";
import { sqlite } from "@belfry/sqlite";
import steps, { fail, shell } from "@belfry/steps";
import { localWorker } from "@belfry/worker";
import {
  BelfryError,
  type Config,
  defineListener,
  definePlugin,
  defineScheduler,
  defineService,
  defineStep,
  Master,
  masterLock,
  type Scheduler,
  workerLock,
  z,
} from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { configSchema } from "../../../core/src/config/config.ts";
import { root } from "../../tools/packages.ts";

const check = suite("the check of a configuration");

/** Most configurations here are wrong on purpose. */
type Any = any;

const folder = join(tmpdir(), "belfry-no-such-folder");
const load = (config: unknown) => new Master(config, { folder });

type Faults = string[] & Record<0 | 1 | 2 | 3, string>;

/** What is wrong with a configuration: "path: message" each. */
function faultsOf(config: unknown): Faults {
  try {
    load(config);
  } catch (error) {
    if (!BelfryError.is(error)) throw error;
    assert.is(error.code, "BELFRY_CONFIG_INVALID");
    return error.details.map(({ path, message }) => `${path}: ${message}`) as Faults;
  }
  return [] as unknown as Faults;
}

/** A configuration that is right, to be broken in one place. */
function good(): Any {
  return {
    database: sqlite(),
    workers: [localWorker({ name: "here" })],
    schedulers: [force({ name: "by hand", builders: ["app"] })],
    builders: [{ name: "app", workers: ["here"], steps: [shell({ command: "true" })] }],
  } satisfies Config;
}

const empty = z.strictObject({});
const step = () => ({ name: "x", run: async () => ({ result: "success" as const }) });

check("finds nothing wrong with a good one, and with one that has a database only", () => {
  assert.equal(faultsOf(good()), []);
  assert.equal(faultsOf({ database: sqlite() }), []);
  assert.equal(faultsOf({ database: sqlite(), builders: [], workers: [], schedulers: [] }), []);
});

check("tells all faults at once, those of the shape too, each with its path", () => {
  const config = {
    title: 5,
    servics: [],
    database: sqlite({ synchronous: "sometimes" as Any }),
    workers: [localWorker({ name: "here" }), localWorker({ name: "here" }), "there"],
    sources: [gitPoller({ repository: "https://example.org/app.git", pollInterval: "soon" })],
    schedulers: [anyBranch({ name: "a", builders: ["nobody"] }), fail()],
    builders: [
      {
        name: "app",
        workers: ["here"],
        steps: [shell({ command: "true", haltOnFailure: "no" as Any }), { kind: "steps.shel" }],
      },
      { name: "app", workers: ["here"], steps: [], colour: "red" },
      { name: "", workers: [], steps: [shell({ comand: "true" } as Any)] },
    ],
    access: { anonymous: "write" },
    logs: { cap: 1 },
  };
  const found = faultsOf(config);
  const paths = found.map((fault) => fault.slice(0, fault.indexOf(": ")));
  assert.equal(
    [...paths].sort(),
    [
      "access.anonymous",
      "builders[0].steps[0].options.haltOnFailure",
      "builders[0].steps[1].kind",
      "builders[1].colour",
      "builders[1].name",
      "builders[2].name",
      "builders[2].steps[0].options.comand",
      "builders[2].steps[0].options.command",
      "builders[2].workers",
      "database.options.synchronous",
      "logs.cap",
      "schedulers[1]",
      "servics",
      "sources[0].options.pollInterval",
      "title",
      "workers[1].name",
      "workers[2]",
    ],
    found.join("\n"),
  );
});

check("its error is one text with a line for each fault, that begins with the path", () => {
  const config = good();
  config.builders[0].workers = ["there"];
  config.schedulers[0] = force({ builders: ["app", "nobody"] });
  try {
    load(config);
    assert.unreachable();
  } catch (error) {
    assert.ok(BelfryError.is(error));
    assert.match(error.what, "The configuration has 2 faults.");
    assert.equal(error.why.split("\n"), [
      'builders[0].workers[0]: there is no worker named "there"',
      'schedulers[0]: there is no builder named "nobody"',
    ]);
  }
});

check("a kind that nobody has is refused, with the names of those there are", () => {
  const config = good();
  config.builders[0].steps.push({ kind: "steps.shel", options: { command: "true" } });
  const [fault] = faultsOf(config);
  assert.match(fault, /^builders\[0\]\.steps\[1\]\.kind: there is no step of kind "steps\.shel"; there are: /);
  assert.match(fault, /\bsteps\.shell\b/);
  assert.not.match(fault, /sqlite/, "kinds of other points are no help");
  const [none] = faultsOf({ database: sqlite(), listeners: [{ kind: "mail" }] });
  assert.is(none, 'listeners[0].kind: there is no listener of kind "mail"; add its plugin to `plugins`');
});

check("an entry at the wrong place is refused", () => {
  const config = good();
  config.builders[0].steps = [sqlite()];
  config.database = shell({ command: "true" });
  assert.equal(faultsOf(config), [
    'database: "steps.shell" is a step; a database is expected here',
    'builders[0].steps[0]: "sqlite.database" is a database; a step is expected here',
  ]);
});

check("a wrong option is named with its path, also deep in it, and what is computed is accepted", () => {
  const wrong = (options: Any) =>
    faultsOf({ ...good(), builders: [{ name: "app", workers: ["here"], steps: [shell(options)] }] });
  assert.equal(wrong({ command: () => ["true"] }), []);
  const [type] = wrong({ command: 5 });
  assert.match(type, /^builders\[0\]\.steps\[0\]\.options\.command: expected /);
  assert.match(wrong({ command: "true", env: { A: 5 } })[0], /^builders\[0\]\.steps\[0\]\.options\.env\.A: expected /);
  assert.match(
    wrong({ command: "true", maxTime: "1 year" })[0],
    /^builders\[0\]\.steps\[0\]\.options\.maxTime: .*"10m"/,
  );
  assert.equal(wrong({ command: "true", colour: "red" }), ["builders[0].steps[0].options.colour: is not known here"]);
});

check("two builders, workers, sources, schedulers or listeners of one name are refused", () => {
  const listener = defineListener({ kind: "one", options: empty, create: () => ({ handle: async () => {} }) });
  const plugin = definePlugin({ name: "belfry-plugin-l", parts: [listener] });
  const config = good();
  config.plugins = [plugin];
  config.builders.push({ ...config.builders[0] });
  config.workers.push(localWorker({ name: "here" }));
  config.schedulers.push(anyBranch({ name: "by hand", builders: ["app"] }));
  config.sources = [1, 2].map(() => gitPoller({ repository: "https://example.org/app.git" }));
  config.listeners = [listener({ name: "a" }), listener(), listener({ name: "a" })];
  assert.equal(faultsOf(config), [
    'workers[1].name: "here" is the name of workers[0] too; give each a name of its own',
    'sources[1].name: "poller" is the name of sources[0] too; give each a name of its own',
    'schedulers[1].name: "by hand" is the name of schedulers[0] too; give each a name of its own',
    'listeners[2].name: "a" is the name of listeners[0] too; give each a name of its own',
    'builders[1].name: "app" is the name of builders[0] too; give each a name of its own',
  ]);
});

check("names that would spoil a terminal or a page are refused", () => {
  const config = good();
  config.name = "two\nlines";
  config.builders[0].name = "\u001b[2J";
  config.schedulers = [];
  config.workers = [
    localWorker({ name: "here" }),
    localWorker({ name: "x\u0000" }),
    localWorker({ name: "x".repeat(201) }),
  ];
  assert.equal(
    faultsOf(config).map((fault) => fault.split(":")[0]),
    ["name", "builders[0].name", "workers[1].options.name", "workers[2].options.name"],
  );
});

check("a scheduler that names an unknown builder, and a builder that names an unknown worker, are refused", () => {
  const config = good();
  config.schedulers.push(anyBranch({ name: "all", builders: ["app", "ap"] }));
  config.builders.push({ name: "lib", workers: ["here", "there"], steps: [] });
  assert.equal(faultsOf(config), [
    'builders[1].workers[1]: there is no worker named "there"',
    'schedulers[1]: there is no builder named "ap"',
  ]);
});

check("what is missed only because it is wrong itself is not reported a second time", () => {
  const config = good();
  config.workers = [localWorker({ name: "here", slots: 0 })];
  assert.equal(
    faultsOf(config).map((fault) => fault.split(":")[0]),
    ["workers[0].options.slots"],
  );
  const nameless = good();
  delete nameless.builders[0].name;
  assert.equal(
    faultsOf(nameless).map((fault) => fault.split(":")[0]),
    ["builders[0].name"],
  );
  const foreign = good();
  foreign.workers = ["here"];
  assert.equal(
    faultsOf(foreign).map((fault) => fault.split(":")[0]),
    ["workers[0]"],
  );
});

check("a part keeps its own path when one before it is wrong", () => {
  const config = good();
  config.schedulers = [anyBranch({ name: "one" } as Any), anyBranch({ name: "two", builders: ["nobody"] })];
  assert.equal(
    faultsOf(config).map((fault) => fault.split(":")[0]),
    ["schedulers[0].options.builders", "schedulers[1]"],
  );
});

check("a missing database, missing parts of a builder and keys that are not known are refused", () => {
  assert.match(faultsOf({})[0], /^database: expected an entry/);
  assert.equal(
    faultsOf({ database: sqlite(), builders: [{}] }).map((fault) => fault.split(":")[0]),
    ["builders[0].name", "builders[0].workers", "builders[0].steps"],
  );
  assert.equal(faultsOf({ ...good(), builder: [], access: { anonimous: "read" } }), [
    "access.anonimous: is not known here",
    "builder: is not known here",
  ]);
  const config = good();
  config.builders[0].workers = [];
  assert.equal(faultsOf(config), ["builders[0].workers: expected at least one worker"]);
});

check("the variables of a builder have names and are text, null or computed", () => {
  const config = good();
  config.builders[0].env = { GOOD: "x", GONE: null, COMPUTED: () => "x" };
  assert.equal(faultsOf(config), []);
  config.builders[0].env = { "A=B": "x", NUMBER: 5 };
  assert.equal(
    faultsOf(config).map((fault) => fault.split(":")[0]),
    ["builders[0].env.A=B", "builders[0].env.NUMBER"],
  );
});

check("what is no configuration at all is refused with what is wanted", () => {
  for (const value of [undefined, null, 5, "x", [], () => ({})]) {
    assert.equal(faultsOf(value), [": expected `export default defineConfig({ … })`"]);
  }
});

check("a typed function that was not called is told as that", () => {
  assert.match(faultsOf({ database: sqlite })[0], /^database: this is the function itself; call it/);
});

check("entries may be plain data: in full or short kind, if their plugin is listed", () => {
  const config = good();
  config.plugins = [git, steps];
  config.builders[0].steps = [
    { kind: "@belfry/steps/shell", options: { command: "true", name: "hello", alwaysRun: true } },
    { kind: "steps.mkdir", options: { path: "x" } },
    { kind: "git.checkout" },
  ];
  config.sources = [{ kind: "git.poller", options: { repository: "https://example.org/app.git", name: "app" } }];
  const { generation } = load(config);
  const built = generation.builders.get("app");
  assert.equal(
    built?.steps.map(({ name, kind }) => [name, kind]),
    [
      ["hello", "@belfry/steps/shell"],
      [built?.steps[1]?.name, "@belfry/steps/mkdir"],
      [built?.steps[2]?.name, "@belfry/git/checkout"],
    ],
  );
  assert.is(built?.steps[0]?.flags.alwaysRun, true);
  assert.equal(
    generation.sources.map(({ name }) => name),
    ["app"],
  );
});

check("plain entries survive JSON, and are checked like the others", () => {
  const text = JSON.stringify([{ kind: "steps.shell", options: { command: ["true"] } }]);
  const config = { ...good(), plugins: [steps] };
  config.builders[0].steps = JSON.parse(text);
  assert.equal(faultsOf(config), []);
  config.builders[0].steps = [
    { kind: "steps.shell", option: { command: "true" } },
    { kind: "steps.fail", options: "x" },
  ];
  assert.equal(faultsOf(config), [
    "builders[0].steps[0].option: is not known here",
    "builders[0].steps[1].options: expected an object of options",
    ...faultsOf({ ...config, builders: [{ ...config.builders[0], steps: [{ kind: "steps.shell" }] }] }),
  ]);
});

check("two copies of one plugin are refused, wherever they come from", () => {
  const make = () => {
    const part = defineStep({ kind: "one", options: empty, create: step });
    return { part, plugin: definePlugin({ name: "belfry-plugin-twice", parts: [part] }) };
  };
  const [first, second] = [make(), make()];
  const config = good();
  config.plugins = [first.plugin, second.plugin];
  assert.match(
    faultsOf(config).join("\n"),
    /^plugins\[1\]: The plugin "belfry-plugin-twice" cannot be used\. It is there twice/,
  );
  const used = good();
  used.builders[0].steps = [first.part(), second.part()];
  const found = faultsOf(used);
  assert.is(found.length, 1, found.join("\n"));
  assert.match(found[0], /^builders\[0\]\.steps\[1\]: .*twice/);
  const again = good();
  again.plugins = [first.plugin, first.plugin];
  again.builders[0].steps = [first.part(), first.part()];
  assert.equal(faultsOf(again), [], "one plugin may be listed and used as often as you like");
});

check("the types know the options of every step and the names of other parts, and refuse what is not there", () => {
  const bare = defineStep({ kind: "bare", options: empty, create: step });
  bare({ name: "x", haltOnFailure: false });
  bare();
  // @ts-expect-error: nobody has this option
  bare({ colour: "red" });
  const lonely = defineService({
    kind: "lonely",
    options: empty,
    create: () => ({ start: async () => {}, stop: async () => {} }),
  });
  lonely();
  // @ts-expect-error: a service has no name
  lonely({ name: "x" });
  // @ts-expect-error: a required option is missing
  shell();
  shell({ command: "true", maxTime: "5m", doStepIf: ({ number }) => number > 1 });
  const config = good();
  config.plugins = [definePlugin({ name: "belfry-plugin-bare", parts: [bare, lonely] })];
  config.builders[0].steps = [bare({ name: "x", haltOnFailure: false }), bare({ colour: "red" } as Any)];
  assert.equal(faultsOf(config), ["builders[0].steps[1].options.colour: is not known here"]);
});

check("a part that no plugin lists is refused", () => {
  const config = good();
  config.builders[0].steps = [defineStep({ kind: "stray", options: empty, create: step })()];
  assert.equal(faultsOf(config), [
    'builders[0].steps[0]: the part "stray" belongs to no plugin: list it in the parts of a definePlugin',
  ]);
});

check("what is no plugin, and a plugin that fails when it registers, are refused and the rest is looked at", () => {
  const broken = definePlugin({
    name: "belfry-plugin-broken",
    register: () => {
      throw new Error("no luck");
    },
  });
  const config = good();
  config.plugins = ["@belfry/git", broken];
  config.builders[0].workers = ["there"];
  const found = faultsOf(config);
  assert.equal(
    found.map((fault) => fault.split(":")[0]),
    ["plugins[0]", "plugins[1]", "builders[0].workers[0]"],
  );
  assert.match(found[1], /"belfry-plugin-broken" cannot be used\. Its register failed: no luck/);
});

check("a create that throws, waits or gives nothing is told with its path", () => {
  const parts = {
    throws: defineStep({
      kind: "throws",
      options: empty,
      create: () => {
        throw new Error("no such colour");
      },
    }),
    waits: defineStep({ kind: "waits", options: empty, create: (async () => step()) as Any }),
    nothing: defineService({ kind: "nothing", options: empty, create: (() => undefined) as Any }),
    aimless: defineScheduler({
      kind: "aimless",
      options: empty,
      create: () => ({ process: async () => ({ buildsets: [] }) }) as Any as Scheduler,
    }),
  };
  definePlugin({ name: "belfry-plugin-odd", parts: Object.values(parts) });
  const config = good();
  config.services = [parts.nothing()];
  config.schedulers = [parts.aimless()];
  config.builders[0].steps = [parts.throws(), parts.waits(), shell({ command: "true" })];
  const found = faultsOf(config);
  assert.equal(found.slice(0, 3), [
    'services[0]: the create of "belfry-plugin-odd/nothing" has to return the part, at once',
    "builders[0].steps[0]: no such colour",
    'builders[0].steps[1]: the create of "belfry-plugin-odd/waits" has to return the part, at once',
  ]);
  assert.match(found[3], /^schedulers\[0\]: .*iterable/);
  assert.is(found.length, 4);
});

check("create gets checked options, its name and its folders, and nothing is started", () => {
  const seen: unknown[] = [];
  let started = 0;
  const service = defineService({
    kind: "watch",
    options: z.strictObject({ every: z.int().default(5) }),
    create: (options, ctx) => {
      seen.push([options, ctx.name, ctx.folder]);
      return { start: async () => void (started += 1), stop: async () => {} };
    },
  });
  definePlugin({ name: "belfry-plugin-watch", parts: [service] });
  assert.equal(faultsOf({ database: sqlite(), services: [service(), service({ every: 7 })] }), []);
  assert.equal(seen, [
    [{ every: 5 }, "watch", folder],
    [{ every: 7 }, "watch", folder],
  ]);
  assert.is(started, 0);
});

check("locks are checked with all that names them, each with its place", () => {
  const disk = masterLock({ name: "disk", maxCount: 2 });
  const cores = workerLock({ name: "cores", maxCountForWorker: { here: 3, there: 4 } });
  const config = good();
  config.locks = [disk, cores, { kind: "master", name: "disk", maxCount: 0 }];
  config.workers = [localWorker({ name: "here", locks: [{ lock: "nothing", mode: "counting" }] })];
  config.builders[0].locks = [disk.access("counting", 3), cores.access("exclusive")];
  config.builders[0].steps = [
    shell({ command: "true", locks: [cores.access("counting"), disk.access("whole" as Any)] }),
    shell({ command: "true", locks: "disk" as Any }),
    shell({ command: "true", locks: () => [disk.access("exclusive")] }),
  ];
  assert.equal(faultsOf(config).sort(), [
    'builders[0].locks[0].count: there is only 2 of the lock "disk"',
    'builders[0].steps[0].options.locks[0]: the builder has the lock "cores" already; its steps cannot take it once more',
    'builders[0].steps[0].options.locks[1].mode: Invalid option: expected one of "counting"|"exclusive"',
    'builders[0].steps[0].options.locks[1]: the builder has the lock "disk" already; its steps cannot take it once more',
    "builders[0].steps[1].options.locks: expected a value, a function of the build, or a template, or expected array, received string",
    'locks[1].maxCountForWorker.there: there is no worker named "there"',
    "locks[2].maxCount: Too small: expected number to be >=1",
    'locks[2].name: "disk" is the name of locks[0] too; give each a name of its own',
    'workers[0].options.locks[0].lock: there is no lock named "nothing" in `locks`',
  ]);
});

check("the rules of a builder are functions, or what their name says", () => {
  const config = good();
  const rules = { nextBuild: 1, nextWorker: "here", canStart: false, collapse: "yes", priority: 1.5, maxWait: "long" };
  Object.assign(config.builders[0], rules);
  const found = faultsOf(config);
  assert.equal(
    Object.keys(rules).filter((key) => !found.some((fault) => fault.startsWith(`builders[0].${key}: `))),
    [],
  );
  assert.is(found.length, Object.keys(rules).length);
  const fine = { nextBuild: () => null, collapse: true, priority: -3, maxWait: "2h" };
  assert.equal(faultsOf({ ...good(), builders: [{ ...good().builders[0], ...fine }] }), []);
});

check("every key of a configuration is in core's README, and the other way round", async () => {
  const text = await readFile(join(root, "core/README.md"), "utf8");
  const section = text.split(/^## /m).find((part) => part.startsWith("What a configuration has\n")) ?? "";
  const rows = section.split("\n").filter((line) => line.startsWith("| `"));
  const documented = rows.flatMap((row) =>
    [...(row.split(" | ")[0] ?? "").matchAll(/`([\w.]+)`/g)].map(([, key]) => key),
  );
  const inner = { access: configSchema.shape.access, logs: configSchema.shape.logs };
  const keys = Object.keys(configSchema.shape).flatMap((key) =>
    key in inner
      ? Object.keys(inner[key as keyof typeof inner].unwrap().shape).map((below) => `${key}.${below}`)
      : [key],
  );
  assert.equal(documented.sort(), keys.sort());
  const builder = rows.find((row) => row.startsWith("| `builders`"));
  for (const key of Object.keys(configSchema.shape.builders.unwrap().element.shape)) {
    assert.ok(builder?.includes(`\`${key}\``), `builders: ${key}`);
  }
});

check.run();
