import { rejects, runChecks, type StepContractOptions, stepContract, testBuild } from "@belfry/testkit";
import type { BuildStep, StepContext, StepResult } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { brokenPromises } from "./broken-promises.ts";

const test = suite("stepContract and testBuild");
const success: StepResult = { result: "success" };
const step = (run: (ctx: StepContext) => Promise<StepResult>, name = "a step"): (() => BuildStep) => {
  return () => ({ name, run });
};
const builds: StepContractOptions["builds"] = [{ properties: { name: "one" } }, { properties: { name: "two" } }];
const broken = (make: () => BuildStep, more: Partial<StepContractOptions> = {}) =>
  brokenPromises(stepContract("x", { make, builds, limit: 2_000, ...more }));

const good = step(async (ctx) => {
  await ctx.worker.writeFile("name", String(ctx.properties.get("name")));
  const { code } = await ctx.worker.run({ command: "cat name", capture: 10 });
  ctx.signal.throwIfAborted();
  ctx.properties.set("code", code);
  return success;
});

test("a step that keeps its promises passes", async () => {
  assert.equal(await broken(good, { makeSlow: step(async (ctx) => hold(ctx)) }), []);
});

test("the name in front says what is checked", () => {
  for (const { title } of stepContract("my step", { make: good })) assert.match(title, /^my step: ./);
});

test("finds a step without a name", async () => {
  assert.equal(await broken(step(async () => success, " ")), ["has a name to be shown by"]);
});

test("finds a result that is none, and a summary of several lines", async () => {
  const title = "ends with a known result, and says what happened in one line";
  assert.equal(await broken(step(async () => ({ result: "fine" as never }))), [title]);
  assert.equal(await broken(step(async () => ({ ...success, summary: "one\ntwo" }))), [title]);
});

test("finds a step that does not await its calls, or uses its context too late", async () => {
  const title = "leaves nothing running, and does not use its context, when it has ended";
  const hasty = step(async (ctx) => {
    ctx.worker.run({ command: "sleep 0.2" }).catch(() => {});
    return success;
  });
  assert.ok((await broken(hasty)).includes(title));
  const late = step(async (ctx) => {
    setTimeout(() => ctx.progress("still here"), 10);
    return success;
  });
  assert.ok((await broken(late)).includes(title));
});

test("finds a step that keeps something on itself", async () => {
  class Keeping implements BuildStep {
    readonly name = "keeping";
    last: unknown;
    async run(ctx: StepContext) {
      this.last = ctx.properties.get("name");
      return success;
    }
  }
  assert.equal(await broken(() => new Keeping()), ["keeps nothing of a build on its instance"]);
});

test("finds a step that mixes up builds which overlap", async () => {
  const make = () => {
    let name: unknown;
    return step(async (ctx) => {
      name = ctx.properties.get("name");
      await ctx.worker.run({ command: "sleep 0.1" });
      ctx.signal.throwIfAborted();
      ctx.properties.set("copy", String(name));
      return success;
    })();
  };
  assert.equal(await broken(make), ["gives each of several builds at once what it gives it alone"]);
});

test("finds a step that says it is resumable and does something else each time", async () => {
  const title = "does the same again when it is resumed after a restart, if it says so";
  const resumable = (run: (ctx: StepContext) => Promise<StepResult>) => () => ({ name: "it", resumable: true, run });
  const other = resumable(async (ctx) => {
    await ctx.worker.mkdir(String(Math.random()));
    return success;
  });
  assert.ok((await broken(other)).includes(title));
  let turns = 0;
  const less = resumable(async (ctx) => {
    turns += 1;
    if (turns % 2 === 1) await ctx.worker.mkdir("once");
    return success;
  });
  assert.ok((await broken(less)).includes(title));
  const same = resumable(async (ctx) => {
    const heard: string[] = [];
    await ctx.worker.exists("nothing");
    await ctx.worker.run({ command: "echo a; echo b", onLine: (line) => heard.push(line) });
    ctx.signal.throwIfAborted();
    return { result: "success", summary: heard.join() };
  });
  assert.equal(await broken(same), []);
});

test("finds a step that changes the master's environment", async () => {
  const make = step(async () => {
    process.env.BELFRY_TEST_LEFT = String(Math.random());
    return success;
  });
  try {
    assert.equal(await broken(make), ["touches neither the master's folder nor its environment"]);
  } finally {
    delete process.env.BELFRY_TEST_LEFT;
  }
});

test("finds a step that goes on although its build was stopped", async () => {
  const deaf = step(async (ctx) => {
    const { killed } = await ctx.worker.run({ command: "true" });
    return killed === null ? success : { result: "failure" };
  });
  assert.equal(await broken(deaf), [
    "a build stopped at any worker call ends it with the signal's reason (the call resolves)",
  ]);
  const swallowing = step(async (ctx) => {
    await ctx.worker.run({ command: "true" }).catch(() => {});
    return success;
  });
  assert.is((await broken(swallowing)).length, 2);
  const rewording = step(async (ctx) => {
    await ctx.worker.mkdir("x").catch(() => {
      throw new Error("mkdir did not work");
    });
    return success;
  });
  assert.is((await broken(rewording)).length, 2);
});

test("finds a slow step that does not listen, or is not slow", async () => {
  const title = "a step in the midst of its work ends with the signal's reason when its build is stopped";
  const deaf = step(() => new Promise((resolve) => setTimeout(resolve, 5_000, success).unref()));
  assert.equal(await broken(good, { makeSlow: deaf }), [title]);
  assert.equal(await broken(good, { makeSlow: good }), [title]);
});

test("a test build masks secrets, decodes logs, tells of progress and calls, and leaves no folder", async () => {
  const build = await testBuild({ files: { "a/b": "x" }, secrets: { token: "hunter2" } });
  const fs = await import("node:fs/promises");
  await build.run(
    step(async (ctx) => {
      await ctx.log("it").write(`the token is ${await ctx.secret("token")}, `);
      await ctx.log("it").write(new Uint8Array([0xff, 0x41]));
      ctx.progress("half way");
      assert.is(await ctx.worker.exists("a/b"), true);
      assert.is(await ctx.worker.exists("a/c"), false);
      assert.equal(await ctx.worker.list("a"), [{ name: "b", type: "file" }]);
      assert.is(((await rejects(ctx.worker.readFile("a/b", { maxBytes: 0 }))) as { code?: string }).code, "EFBIG");
      await rejects(ctx.secret("unknown"));
      return success;
    })(),
  );
  assert.is(build.logs.get("it"), "the token is ********, \ufffdA");
  assert.equal(build.progress, ["half way"]);
  assert.equal(build.calls, ["exists", "exists", "list", "readFile"]);
  await build.close();
  await rejects(fs.stat(build.folder));
});

test("a test build ends what a command left in its process group", async () => {
  await using build = await testBuild();
  await build.run(
    step(async (ctx) => {
      await ctx.worker.run({ command: "sleep 600 >/dev/null 2>&1 & echo $!", capture: 100 }).then(({ stdout }) => {
        ctx.properties.set("pid", Number(stdout));
      });
      return success;
    })(),
  );
  const pid = Number(build.properties.get("pid"));
  for (let i = 0; i < 400 && isAlive(pid); i += 1) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.is(isAlive(pid), false);
});

test("checks run in any runner, and none is a mistake", () => {
  const titles: string[] = [];
  runChecks((title) => titles.push(title), [{ title: "one", run: async () => {} }]);
  assert.equal(titles, ["one"]);
  assert.throws(() => runChecks(() => {}, []), /no checks/);
});

async function hold(ctx: StepContext): Promise<StepResult> {
  return new Promise((_, reject) => ctx.signal.addEventListener("abort", () => reject(ctx.signal.reason)));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test.run();
