// time limit: 400 s
import { execFile, spawnSync } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { http } from "@belfry/http";
import { jsonrpc } from "@belfry/jsonrpc";
import { force } from "@belfry/schedulers";
import { fakeWorker, step, type TestMaster, testMaster, until } from "@belfry/testkit";
import { xmlrpc } from "@belfry/xmlrpc";
import type { Config, Result, StepContext } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { httpUrl } from "../bench/http-url.ts";

const test = suite("examples/clients");
const folder = fileURLToPath(new URL("../../examples/clients/", import.meta.url));
const ODD = "Prüfung <&> 'x' \\n";

interface Language {
  name: string;
  file: string;
  /** Succeeds if the machine has what the client needs. */
  probe: readonly [command: string, ...args: string[]];
  /** Where that is in Debian. */
  packages: string;
}

const LANGUAGES: readonly Language[] = [
  {
    name: "Python",
    file: "wait-for-build.py",
    probe: ["python3", "-c", "import xmlrpc.client"],
    packages: "python3",
  },
  {
    name: "PHP",
    file: "wait-for-build.php",
    probe: ["php", "-r", "exit(extension_loaded('curl') ? 0 : 1);"],
    packages: "php-cli php-curl",
  },
  {
    name: "Perl",
    file: "wait-for-build.pl",
    probe: ["perl", "-MRPC::XML::Client", "-e", "1"],
    packages: "perl librpc-xml-perl",
  },
  {
    name: "Ruby",
    file: "wait-for-build.rb",
    probe: ["ruby", "-rxmlrpc/client", "-e", "1"],
    packages: "ruby ruby-xmlrpc",
  },
  {
    name: "shell",
    file: "wait-for-build.sh",
    probe: ["sh", "-c", "command -v curl && command -v jq"],
    packages: "curl jq",
  },
];

interface Ended {
  code: number;
  out: string;
  err: string;
}

interface World extends AsyncDisposable {
  readonly kit: TestMaster;
  /** Asks for builds, and resolves when they have ended. */
  build(revision: string, ...builders: string[]): Promise<void>;
  /** Asks for builds; resolves with the ids of their requests, by builder. */
  ask(revision: string, ...builders: string[]): Promise<Record<string, number>>;
  /** Lets the builds of `slow`, and the second ones of `flaky`, go on to their end. */
  release(): void;
  /** Runs a client against this master. */
  wait(client: Language, args: string[], env?: Record<string, string>): Promise<Ended>;
  /** How often clients have called a method. */
  calls(method: string): number;
  /** How often clients have asked to be told of events, with a long wait for them. */
  waits(): number;
}

async function world(more: Partial<Config> = {}): Promise<World> {
  let release = () => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const open = (ctx: StepContext) =>
    Promise.race([
      gate,
      new Promise((_, reject) => ctx.signal.addEventListener("abort", () => reject(ctx.signal.reason))),
    ]);
  const gives = (result: Result) => step({ run: () => ({ result }) });
  const tries = { flaky: 0, mended: 0 };
  const steps = {
    runtests: gives("success"),
    untidy: gives("warnings"),
    broken: gives("failure"),
    [ODD]: gives("success"),
    mended: step({ run: () => ({ result: (tries.mended += 1) > 1 ? "success" : "failure" }) }),
    flaky: step({
      run: async (ctx) => {
        tries.flaky += 1;
        if (tries.flaky === 1) return { result: "retry" };
        await open(ctx);
        return { result: "success" };
      },
    }),
    slow: step({ run: async (ctx) => open(ctx).then(() => ({ result: "success" })) }),
  };
  const kit = await testMaster({
    config: {
      access: { anonymous: "read" },
      services: [http({ port: 0 }), jsonrpc(), xmlrpc()],
      workers: [fakeWorker({ name: "w", slots: 4 }), fakeWorker({ name: "small", slots: 1 })],
      schedulers: [force({ name: "force", builders: Object.keys(steps) })],
      builders: Object.entries(steps).map(([name, only]) => ({
        name,
        workers: [name === "slow" ? "small" : "w"],
        steps: [only],
      })),
      ...more,
    },
  });
  const { api } = kit.master;
  const seen: { method: string; params: { waitSeconds?: number } }[] = [];
  const call = api.call.bind(api) as (...args: unknown[]) => unknown;
  Object.assign(api, {
    call(...args: [string, object, { kind: string }]) {
      const [method, params, caller] = args;
      if (caller.kind !== "socket") seen.push({ method, params });
      return call(...args);
    },
  });
  const ask = (revision: string, builders: string[]) => kit.call("schedulers.force", { revision, builders });
  return {
    kit,
    release,
    async build(revision, ...builders) {
      await kit.buildsetEnd((await ask(revision, builders)).buildset);
    },
    async ask(revision, ...builders) {
      const { requests } = await ask(revision, builders);
      return Object.fromEntries(requests.map(({ id, builder }: { id: number; builder: string }) => [builder, id]));
    },
    wait: ({ file }, args, env) => run(file, [httpUrl(kit.master), ...args], env),
    calls: (method) => seen.filter((one) => one.method === method).length,
    waits: () => seen.filter(({ params }) => (params.waitSeconds ?? 0) >= 20).length,
    async [Symbol.asyncDispose]() {
      release();
      await kit.close();
    },
  };
}

function run(file: string, args: string[], env: Record<string, string> = {}): Promise<Ended> {
  const plain = { PATH: process.env["PATH"] ?? "", LANG: "C.UTF-8", ...env };
  return new Promise((resolve, reject) => {
    execFile(folder + file, args, { env: plain, timeout: 60_000, killSignal: "SIGKILL" }, (error, out, err) => {
      if (error && typeof error.code !== "number") reject(error);
      else resolve({ code: Number(error?.code ?? 0), out, err });
    });
  });
}

/** The exit code with the lines of the output; fails if the client complained of something although it ended well. */
function outcome({ code, out, err }: Ended): [number, ...string[]] {
  assert.is(err, "");
  return [code, ...out.split("\n").slice(0, -1)];
}

/** The same for a client that could not tell: nothing is on its output, and its message says why. */
function refused({ code, out, err }: Ended, why: RegExp): void {
  assert.equal([code, out], [2, ""], err);
  assert.match(err, why);
  assert.not.match(err, /Traceback|Stack trace|Warning:|0x[0-9a-f]+|\.(py|php|pl|rb|sh):\d+/);
}

type Check = (client: Language) => Promise<void>;

const CHECKS: Record<string, Check> = {
  async "success and warnings are 0, a failure is 1, and each builder's build is told"(client) {
    await using w = await world();
    await w.build("r1", "runtests");
    await w.build("r2", "runtests", "untidy");
    await w.build("r3", "runtests", "broken");
    const [good, untidy, bad, named] = await Promise.all([
      w.wait(client, ["r1"]),
      w.wait(client, ["r2"]),
      w.wait(client, ["r3"]),
      w.wait(client, ["r3", "runtests"]),
    ]);
    assert.equal(outcome(good), [0, "runtests 1: success"]);
    assert.equal(outcome(untidy), [0, "runtests 2: success", "untidy 1: warnings"]);
    assert.equal(outcome(bad), [1, "runtests 3: success", "broken 1: failure"]);
    assert.equal(outcome(named), [0, "runtests 3: success"]);
    assert.is(w.waits(), 0);
  },

  async "a revision that was built again is as good as its newest build"(client) {
    await using w = await world();
    await w.build("r1", "mended");
    assert.equal(outcome(await w.wait(client, ["r1"])), [1, "mended 1: failure"]);
    await w.build("r1", "mended");
    assert.equal(outcome(await w.wait(client, ["r1"])), [0, "mended 2: success"]);
  },

  async "a build that ended as retry is not the end"(client) {
    await using w = await world();
    await w.ask("r1", "flaky");
    await w.kit.event("request.retried");
    const waiting = w.wait(client, ["r1", "flaky"]);
    await until(() => w.waits() > 0, "waiting");
    w.release();
    assert.equal(outcome(await waiting), [0, "flaky 2: success"]);
  },

  async "what is not built yet is waited for, without a call until a request ends"(client) {
    await using w = await world();
    const waiting = w.wait(client, ["r1"]);
    await until(() => w.waits() === 1, "waiting");
    await w.build("r0", "broken");
    await until(() => w.waits() === 2, "waiting again");
    await w.ask("r1", "runtests");
    assert.equal(outcome(await waiting), [0, "runtests 1: success"]);
    assert.equal([w.calls("events.since"), w.calls("builds.list"), w.calls("buildsets.get")], [3, 4, 1]);
  },

  async "a builder that has not begun is waited for, too"(client) {
    await using w = await world();
    await w.ask("r0", "slow");
    await w.ask("r1", "runtests", "slow");
    await w.kit.event("build.finished");
    const [all, one] = [w.wait(client, ["r1"]), w.wait(client, ["r1", "runtests"])];
    assert.equal(outcome(await one), [0, "runtests 1: success"]);
    await until(() => w.waits() === 1, "waiting");
    w.release();
    assert.equal(outcome(await all), [0, "runtests 1: success", "slow 2: success"]);
  },

  async "a request that is cancelled before it has a build is not good"(client) {
    await using w = await world();
    await w.ask("r0", "slow");
    const { slow } = await w.ask("r1", "runtests", "slow");
    await w.kit.event("build.finished");
    const waiting = w.wait(client, ["r1"]);
    await until(() => w.waits() === 1, "waiting");
    await w.kit.call("requests.cancel", { request: slow as number });
    assert.equal(outcome(await waiting), [1, "runtests 1: success", "slow -: cancelled"]);
  },

  async "revisions that read like numbers, and builders with any name, are found"(client) {
    await using w = await world();
    for (const revision of ["1234567", "0042", "12e45"]) {
      await w.build(revision, ODD);
      const { code, out, err } = await w.wait(client, [revision, ODD]);
      assert.equal([code, out.replace(/\d+: /, "N: "), err], [0, `${ODD} N: success\n`, ""]);
    }
  },

  async "what the master refuses is told, and is 2"(client) {
    await using w = await world({ access: {} });
    await w.build("r1", "runtests");
    const { token } = await w.kit.call("tokens.add", { name: "deploy", scopes: ["read"] });
    const [right, wrong, none, unknown] = await Promise.all([
      w.wait(client, ["r1"], { BELFRY_TOKEN: token }),
      w.wait(client, ["r1"], { BELFRY_TOKEN: "belfry_wrong" }),
      w.wait(client, ["r1"], { BELFRY_TOKEN: "" }),
      w.wait(client, ["r1", "nosuch"], { BELFRY_TOKEN: token }),
    ]);
    assert.equal(outcome(right), [0, "runtests 1: success"]);
    refused(wrong, /token|401|Unauthorized/i);
    refused(none, /a caller without a token/);
    refused(unknown, /nosuch/);
  },

  async "wrong usage, a master that is not there and a time limit are 2"(client) {
    await using w = await world();
    const [few, many, gone, elsewhere, late] = await Promise.all([
      run(client.file, ["http://127.0.0.1:1"]),
      run(client.file, ["http://127.0.0.1:1", "r1", "runtests", "more"]),
      run(client.file, ["http://127.0.0.1:1", "r1"]),
      run(client.file, [`${httpUrl(w.kit.master)}/nowhere`, "r1"]),
      w.wait(client, ["r1"], { BELFRY_TIMEOUT: "1" }),
    ]);
    refused(few, /^usage: .* BASE_URL REVISION \[BUILDER\]\n$/);
    refused(many, /^usage: /);
    refused(gone, /connect|refused/i);
    refused(elsewhere, /./);
    refused(late, /The builds of r1 have not ended in time\./);
  },
};

for (const language of LANGUAGES) {
  const { name, probe, packages } = language;
  const [command, ...args] = probe;
  const there = spawnSync(command, args, { stdio: "ignore" }).status === 0;
  if (there) {
    for (const [title, check] of Object.entries(CHECKS)) test(`${name}: ${title}`, () => check(language));
    continue;
  }
  const lack = `What the client in ${name} needs is not on this machine. On Debian: apt-get install ${packages}`;
  if (process.env["CI"]) {
    test(`${name} is on this machine`, () => assert.unreachable(lack));
    continue;
  }
  console.log(`SKIPPED: ${lack}`);
  for (const title of Object.keys(CHECKS)) test.skip(`${name}: ${title}`, () => {});
}

test("each client has under 40 lines, and the README names it with its packages", async () => {
  const readme = await readFile(`${folder}README.md`, "utf8");
  const files = (await readdir(folder)).filter((file) => file !== "README.md");
  assert.equal(files.sort(), LANGUAGES.map(({ file }) => file).sort());
  for (const { file, packages } of LANGUAGES) {
    const text = await readFile(folder + file, "utf8");
    assert.ok(text.split("\n").length - 1 < 40, `${file} is too long`);
    assert.match(readme, new RegExp(`\\| \`${file}\` +\\|.*\\| \`${packages}\` +\\|`));
  }
});

test.run();
