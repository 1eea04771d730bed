import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runChecks, systemClock, type WorkerWorld, workerContract } from "@belfry/testkit";
import { localWorker } from "@belfry/worker";
import type { CreateContext, Worker, WorkerSession } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { brokenPromises } from "./broken-promises.ts";

const test = suite("workerContract");

/** The local worker, with something changed. */
async function open(change: (worker: Worker) => Worker = (worker) => worker): Promise<WorkerWorld> {
  const folder = await mkdtemp(join(tmpdir(), "belfry-contract-"));
  const ctx = { name: "local", clock: systemClock, folder, stateFolder: folder } as CreateContext;
  return {
    folder: join(folder, "own"),
    make: () => change(localWorker.definition.create({}, ctx)),
    close: () => rm(folder, { recursive: true, force: true }),
  };
}

runChecks(test, workerContract("the local worker", { open }));

const over = <T extends object>(whole: T, changed: Partial<T>): T =>
  new Proxy(whole, {
    get: (target, key) => {
      const value = Object.hasOwn(changed, key) ? changed[key as keyof T] : target[key as keyof T];
      return typeof value === "function" ? value.bind(target) : value;
    },
  });

/** The titles of what is broken if sessions are changed like this. */
const broken = (change: (session: WorkerSession) => Partial<WorkerSession>, only: RegExp) => {
  const changed = (worker: Worker) =>
    over(worker, {
      open: async (build) => {
        const session = await worker.open(build);
        return over(session, change(session));
      },
    });
  const checks = workerContract("x", { open: () => open(changed), limit: 5_000 });
  return brokenPromises(checks.filter(({ title }) => only.test(title)));
};

test("a worker that keeps nothing may say so", async () => {
  const plain = (worker: Worker) =>
    over(worker, {
      detach: undefined as never,
      open: async (build) => over(await worker.open(build), { detach: undefined as never, resume: undefined as never }),
    });
  const checks = workerContract("x", { open: () => open(plain) });
  assert.equal(await brokenPromises(checks.filter(({ title }) => /keep|kept|detached/.test(title))), []);
});

test("finds a worker that can keep commands by half", async () => {
  const found = await broken(() => ({ resume: undefined as never }), /as a whole/);
  assert.equal(found, ["can keep commands as a whole, or not at all"]);
});

test("finds a session that still gives output after it was detached", async () => {
  const careless = (session: WorkerSession): Partial<WorkerSession> => ({
    run: (spec, sink, options) => {
      // It does not end by itself once the session is detached.
      const timer = setInterval(() => sink("stdout", Buffer.from("late\n"), 0), 5).unref();
      return session.run(spec, sink, options).finally(() => clearInterval(timer));
    },
  });
  assert.is((await broken(careless, /gives nothing any more/)).length, 1);
});

test("finds output that is lost, and a command that ends otherwise", async () => {
  const lossy = (session: WorkerSession): Partial<WorkerSession> => ({
    resume: async (spec, _sink, options) => session.resume?.(spec, () => {}, options),
  });
  assert.is((await broken(lossy, /at once|refuses/)).length, 2);
  const wrong = (session: WorkerSession): Partial<WorkerSession> => ({
    resume: async (spec, sink, options) => {
      const result = await session.resume?.(spec, sink, options);
      return result && { ...result, code: 0 };
    },
  });
  assert.is((await broken(wrong, /at once/)).length, 1);
});

test("finds a command that is given to anybody", async () => {
  const result = { code: 3, signal: null, killed: null, elapsed: 1 };
  assert.is((await broken(() => ({ resume: async () => result }), /belongs|not asked for/)).length, 2);
});

test("finds what any worker can do wrong", async () => {
  const deaf = (session: WorkerSession): Partial<WorkerSession> => ({
    run: (spec, sink, options) => session.run(spec, sink, { ...options, signal: new AbortController().signal }),
    readFile: (path) => session.readFile(path),
  });
  assert.is((await broken(deaf, /signal aborts|files/)).length, 2);
});

test.run();
