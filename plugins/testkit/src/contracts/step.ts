import * as assert from "node:assert/strict";
import * as fs from "node:fs/promises";
import { join } from "node:path";
import { type BuildStep, messageOf, RESULTS, type StepResult } from "belfry";
import { type Check, CheckList } from "../checks.ts";
import { type TestBuild, type TestBuildOptions, testBuild } from "../test-build.ts";
import { within } from "../waiting.ts";

export interface StepContractOptions {
  /** Makes the step, as core does once per configured step. */
  make(): BuildStep;
  /** A build that it can run in. Give two that differ, so that builds which overlap can be told apart. */
  builds?: readonly [TestBuildOptions, ...TestBuildOptions[]];
  /**
   * A step of this kind that takes long in the first of the builds, by a command or by waiting.
   * With it the contract shows that a stopped build stops the step.
   */
  makeSlow?(): BuildStep;
  /** What of a build to compare when runs are compared, besides result, properties and logs. Default: the names and contents of its files. */
  outcome?(build: TestBuild): Promise<unknown>;
  /** How long a step may take to end, in milliseconds. Default 30,000, as core waits. */
  limit?: number;
}

/** What the interface `BuildStep` promises, as checks of one kind of step. */
export function stepContract(name: string, options: StepContractOptions): Check[] {
  const list = new CheckList(name);
  const builds = options.builds ?? [{}];
  const limit = options.limit ?? 30_000;
  const first = builds[0];
  const run = (step: BuildStep, build: TestBuild, how?: Parameters<TestBuild["run"]>[1]) =>
    within(limit, `step "${step.name}"`, build.run(step, how));

  list.add("has a name to be shown by", async () => {
    const step = options.make();
    assert.equal(typeof step.name, "string");
    assert.notEqual(step.name.trim(), "", "the name is empty");
    assert.doesNotMatch(step.name, /[\r\n]/, "the name has more than one line");
  });

  list.add("ends with a known result, and says what happened in one line", async () => {
    for (const each of builds) {
      await using build = await testBuild(each);
      const { result, summary } = await run(options.make(), build);
      assert.ok(RESULTS.includes(result), `"${result}" is no result`);
      if (summary === undefined) continue;
      assert.equal(typeof summary, "string");
      assert.doesNotMatch(summary, /[\r\n]/, "the summary has more than one line");
      assert.ok(summary.length <= 1_000, "the summary is longer than 1,000 characters");
    }
  });

  list.add("leaves nothing running, and does not use its context, when it has ended", async () => {
    await using build = await testBuild(first);
    await run(options.make(), build);
    assert.equal(build.pending, 0, "worker calls or log writes that were not awaited");
    await pause(50);
    assert.deepEqual(build.lateUses, [], "the context was used after the run had ended");
  });

  list.add("keeps nothing of a build on its instance", async () => {
    const step = options.make();
    const before = fieldsOf(step);
    Object.freeze(step);
    for (const each of builds) {
      await using build = await testBuild(each);
      await run(step, build);
    }
    assert.deepEqual(fieldsOf(step), before, "the step's fields have changed");
  });

  list.add("gives each of several builds at once what it gives it alone", async () => {
    const twice = [...builds, ...builds];
    const alone: unknown[] = [];
    for (const each of twice) {
      await using build = await testBuild(each);
      alone.push(await outcomeOf(options, build, await run(options.make(), build)));
    }
    const shared = options.make();
    const together = await Promise.all(
      twice.map(async (each) => {
        await using build = await testBuild(each);
        return await outcomeOf(options, build, await run(shared, build));
      }),
    );
    assert.deepEqual(together, alone, "builds that overlap got mixed up");
  });

  list.add("touches neither the master's folder nor its environment", async () => {
    await using build = await testBuild(first);
    const before = { folder: process.cwd(), env: { ...process.env } };
    await run(options.make(), build);
    assert.deepEqual({ folder: process.cwd(), env: { ...process.env } }, before);
  });

  list.add("does the same again when it is resumed after a restart, if it says so", async () => {
    const step = options.make();
    if (!step.resumable) return;
    for (const each of builds) {
      await using build = await testBuild(each);
      const before = await settled(run(step, build));
      const after = await settled(within(limit, `step "${step.name}"`, build.resume(options.make())));
      assert.deepEqual(said(after), said(before), "it came to something else");
    }
  });

  for (const stoppedCommand of ["resolves", "rejects"] as const) {
    list.add(
      `a build stopped at any worker call ends it with the signal's reason (the call ${stoppedCommand})`,
      async () => {
        let count = 0;
        await using counted = await testBuild(first);
        await run(options.make(), counted, { onCall: () => (count += 1) });
        for (let stopAt = 1; stopAt <= Math.min(count, 20); stopAt += 1) {
          await using build = await testBuild({ ...first, stoppedCommand });
          const reason = new Error(`stopped at worker call ${stopAt}`);
          const stop = new AbortController();
          let call = 0;
          const onCall = () => {
            call += 1;
            if (call === stopAt) stop.abort(reason);
          };
          const ended = await settled(run(options.make(), build, { signal: stop.signal, onCall }));
          if (call < stopAt) continue;
          assert.deepEqual(ended, { rejected: reason }, `a build stopped at worker call ${stopAt} of ${count} went on`);
          assert.equal(build.pending, 0, "something was left running");
          assert.deepEqual(build.lateUses, []);
        }
      },
    );
  }

  const { makeSlow } = options;
  if (makeSlow !== undefined) {
    list.add("a step in the midst of its work ends with the signal's reason when its build is stopped", async () => {
      await using build = await testBuild(first);
      const reason = new Error("the build was stopped");
      const stop = new AbortController();
      const ending = settled(run(makeSlow(), build, { signal: stop.signal }));
      const early = await Promise.race([ending, pause(300)]);
      assert.equal(early, undefined, "the slow step ended before it could be stopped");
      stop.abort(reason);
      assert.deepEqual(await ending, { rejected: reason });
      assert.equal(build.pending, 0, "something was left running");
      await pause(50);
      assert.deepEqual(build.lateUses, []);
    });
  }

  return list.checks;
}

async function outcomeOf(options: StepContractOptions, build: TestBuild, ended: StepResult): Promise<unknown> {
  const whole = {
    ended,
    properties: build.properties.all(),
    logs: Object.fromEntries(build.logs),
    added: build.added.length,
    links: Object.fromEntries(build.links),
    statistics: build.statistics,
    data: Object.fromEntries(build.data),
    rest: await (options.outcome ?? filesOf)(build),
  };
  return JSON.parse(JSON.stringify(whole).replaceAll(JSON.stringify(build.folder).slice(1, -1), "BUILD"));
}

async function filesOf(build: TestBuild): Promise<Record<string, string>> {
  const files: [string, string][] = [];
  for (const entry of await fs.readdir(build.folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    files.push([path, entry.isFile() ? (await fs.readFile(path)).toString("base64") : "-"]);
  }
  return Object.fromEntries(files.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function fieldsOf(step: BuildStep): Record<string, unknown> {
  return { ...step };
}

/** What a run came to, to be compared with another one's. */
function said(ended: Awaited<ReturnType<typeof settled<StepResult>>>): unknown {
  return "resolved" in ended ? ended.resolved : { rejected: messageOf(ended.rejected) };
}

async function settled<T>(promise: Promise<T>): Promise<{ resolved: T } | { rejected: unknown }> {
  return promise.then(
    (resolved) => ({ resolved }),
    (rejected: unknown) => ({ rejected }),
  );
}

const pause = (delay: number) => new Promise<undefined>((resolve) => setTimeout(resolve, delay, undefined));
