import * as assert from "node:assert/strict";
import type { CommandResult, CommandSpec, OutputSink, Worker, WorkerSession } from "belfry";
import { type Check, CheckList } from "../checks.ts";
import { rejects, until, within } from "../waiting.ts";

/** A place for one worker, over restarts of its master. */
export interface WorkerWorld {
  /** Makes the worker, as each process of the master does. The check calls `start`, and `stop` or `detach`. */
  make(): Worker;
  /** The folder that `start` is given. */
  readonly folder: string;
  /** Lets go of the place; all workers are stopped then. */
  close(): Promise<void>;
}

export interface WorkerContractOptions {
  /** Makes a place of its own for each check. */
  open(): Promise<WorkerWorld>;
  /**
   * A command that prints the numbers from 1 to `count`, a line each, with `pause` milliseconds after each, and ends with code 3.
   * Default: a line for a shell.
   */
  numbers?(count: number, pause: number): CommandSpec;
  /** How long a call may take, in milliseconds. Default 30,000. */
  limit?: number;
}

const BUILD = { id: 1, builder: "contract", slot: 0, fence: 1 };

/** What the interfaces `Worker` and `WorkerSession` promise, as checks of one kind of worker. Keeping commands over a restart is checked if it can. */
export function workerContract(name: string, options: WorkerContractOptions): Check[] {
  const list = new CheckList(name);
  const limit = options.limit ?? 30_000;
  const numbers = options.numbers ?? shellNumbers;
  const soon = <T>(what: string, promise: Promise<T>) => within(limit, what, promise);

  /** Its workers are stopped at the end, the last one first. */
  class Place {
    readonly world: WorkerWorld;
    readonly #workers: Worker[] = [];
    constructor(world: WorkerWorld) {
      this.world = world;
    }

    async start(): Promise<Worker> {
      const worker = this.world.make();
      this.#workers.unshift(worker);
      const { signal } = new AbortController();
      await soon("start", worker.start({ signal, folder: this.world.folder, changed() {}, note() {} }));
      await until(() => worker.connected, "the worker being connected", limit);
      return worker;
    }

    async close(): Promise<void> {
      for (const worker of this.#workers) await soon("stop", worker.stop());
      await this.world.close();
    }
  }

  const check = (title: string, work: (place: Place) => Promise<void>) =>
    list.add(title, async () => {
      const place = new Place(await options.open());
      try {
        await work(place);
      } finally {
        await place.close();
      }
    });

  /** For workers that keep commands; the place has begun a command, and let go of it when three lines were taken. */
  const keeping = (
    title: string,
    count: number,
    work: (place: Place, begun: { call: Call; spec: CommandSpec; restart(): Promise<WorkerSession> }) => Promise<void>,
    refuse = false,
  ) =>
    check(title, async (place) => {
      const worker = await place.start();
      if (worker.detach === undefined) return;
      const session = await soon("open", worker.open(BUILD));
      const spec = numbers(count, 5);
      const call = begin(session, spec, "the-call");
      await until(() => call.text.includes("3\n"), "output of the command", limit);
      if (refuse) {
        call.refuse();
        await until(() => call.asked, "more output of the command", limit);
      }
      const detaching = session.detach?.();
      call.detached = true;
      await soon("detach of the session", detaching ?? Promise.resolve());
      const restart = async () => {
        await soon("detach of the worker", worker.detach?.({ keepFor: 60_000 }) ?? Promise.resolve());
        return (await place.start()).open({ ...BUILD, fence: 2 });
      };
      await work(place, { call, spec, restart });
    });

  const resume = (session: WorkerSession, spec: CommandSpec, call: Call, callId = "the-call") => {
    const sink: OutputSink = (channel, data) => {
      if (channel === "stdout") call.text += Buffer.from(data).toString();
    };
    const { signal } = new AbortController();
    return soon("resume", session.resume?.(spec, sink, { signal, callId }) ?? Promise.resolve(undefined));
  };

  check("says what it is, and is connected between start and stop", async (place) => {
    const before = place.world.make();
    assert.ok(Number.isSafeInteger(before.slots) && before.slots >= 1, `it has ${before.slots} slots`);
    assert.equal(before.connected, false, "it is connected before it has started");
    const worker = await place.start();
    for (const [key, text] of Object.entries(worker.info)) assert.equal(typeof text, "string", `info ${key}`);
    await soon("stop", worker.stop());
    assert.equal(worker.connected, false, "it is connected after it was stopped");
    await soon("stop again", worker.stop());
  });

  check("runs a command, gives all it prints in order, and tells how it ended", async (place) => {
    const session = await (await place.start()).open(BUILD);
    const call = begin(session, numbers(2_000, 0), "c");
    const { code, signal, killed } = await soon("run", call.settled);
    assert.deepEqual({ code, signal, killed }, { code: 3, signal: null, killed: null });
    assert.equal(call.text, lines(2_000));
    await soon("close", session.close());
  });

  check("ends a command when its signal aborts, and runs none whose signal has", async (place) => {
    const session = await (await place.start()).open(BUILD);
    const call = begin(session, numbers(1_000_000, 5), "c");
    await until(() => call.text !== "", "output of the command", limit);
    call.abort.abort();
    assert.equal((await soon("cancelled run", call.settled)).killed, "cancelled");
    const signal = AbortSignal.abort();
    const result = await soon(
      "run",
      session.run(numbers(5, 5), () => assert.fail("it ran"), { signal, callId: "d" }),
    );
    assert.deepEqual([result.code, result.killed], [null, "cancelled"]);
    await soon("close", session.close());
  });

  check("ends what a session runs when it is closed", async (place) => {
    const session = await (await place.start()).open(BUILD);
    const call = begin(session, numbers(1_000_000, 5), "c");
    await until(() => call.text !== "", "output of the command", limit);
    await soon("close", session.close());
    await soon("the run", call.settled.catch(() => undefined) as Promise<unknown>);
    await soon("close again", session.close());
  });

  check("writes, reads and removes files in the build's folder", async (place) => {
    const session = await (await place.start()).open(BUILD);
    await session.writeFile("a/file", Buffer.from("text"));
    assert.equal(Buffer.from(await session.readFile("a/file")).toString(), "text");
    assert.equal((await session.stat("a/file")).size, 4);
    const codeOf = async (promise: Promise<unknown>) => ((await rejects(promise)) as { code?: string }).code;
    assert.equal(await codeOf(session.readFile("a/file", { maxBytes: 3 })), "EFBIG");
    assert.equal(await codeOf(session.readFile("missing")), "ENOENT");
    assert.equal(await codeOf(session.stat("missing")), "ENOENT");
    await session.remove("missing");
    await session.remove(".");
    assert.deepEqual(await session.list("."), []);
    await soon("close", session.close());
  });

  check("can keep commands as a whole, or not at all", async (place) => {
    const worker = await place.start();
    const session = await worker.open(BUILD);
    const has = [worker.detach, session.detach, session.resume].filter((method) => method !== undefined).length;
    assert.ok(has === 0 || has === 3, "it has some of Worker.detach, WorkerSession.detach and WorkerSession.resume");
    assert.equal(await session.resume?.(numbers(1, 0), () => {}, { ...BEGUN, callId: "unknown" }), undefined);
    await soon("close", session.close());
  });

  keeping(
    "a detached session gives nothing any more, and settles nothing but harmlessly",
    1_000_000,
    async (_, begun) => {
      const { call, restart } = begun;
      call.abort.abort();
      const after = call.text;
      const session = await restart();
      await pause(100);
      assert.equal(call.text, after, "a sink was called after the session was detached");
      assert.equal(call.result, undefined, "the call resolved");
      assert.equal(call.late, 0, "a sink was called after the session was detached");
      await soon("close", session.close());
    },
  );

  for (const wait of [0, 1_500]) {
    const when = wait === 0 ? "at once" : "later";
    keeping(
      `a kept command that is resumed ${when} goes on without a gap and ends as ever, once`,
      100,
      async (_, begun) => {
        const { call, spec, restart } = begun;
        const session = await restart();
        await pause(wait);
        const result = await resume(session, spec, call);
        assert.deepEqual([result?.code, result?.signal, result?.killed], [3, null, null]);
        assert.equal(call.text, lines(100));
        assert.equal(await resume(session, spec, call), undefined, "it was taken up twice");
        await soon("close", session.close());
      },
    );
  }

  keeping(
    "output that a sink refuses while it is detached is given again",
    100,
    async (_, { call, spec, restart }) => {
      const session = await restart();
      assert.equal((await resume(session, spec, call))?.code, 3);
      assert.equal(call.text, lines(100));
      await soon("close", session.close());
    },
    true,
  );

  keeping("a kept command belongs to its build and call", 1_000_000, async (place, { call, spec, restart }) => {
    const session = await restart();
    assert.equal(await resume(session, spec, call, "another"), undefined);
    await soon("close", session.close());
    const worker = await place.start();
    const other = await worker.open({ ...BUILD, id: 2 });
    assert.equal(await resume(other, spec, call), undefined, "another build got it");
    await soon("close", other.close());
  });

  keeping(
    "a kept command that is not asked for ends with its session",
    1_000_000,
    async (place, { call, spec, restart }) => {
      await soon("close", (await restart()).close());
      const again = await (await place.start()).open({ ...BUILD, fence: 3 });
      assert.equal(await resume(again, spec, call), undefined);
      await soon("close", again.close());
    },
  );

  return list.checks;
}

const BEGUN = { signal: new AbortController().signal };

interface Call {
  text: string;
  readonly abort: AbortController;
  readonly settled: Promise<CommandResult>;
  result: CommandResult | undefined;
  /** Sink calls since it was detached. */
  late: number;
  detached: boolean;
  /** From now on its sink takes nothing, and rejects when it is detached. */
  refuse(): void;
  /** True once its sink was asked after that. */
  asked: boolean;
}

function begin(session: WorkerSession, spec: CommandSpec, callId: string): Call {
  let refusing = false;
  const abort = new AbortController();
  const sink: OutputSink = (channel, data) => {
    if (call.detached) call.late += 1;
    if (channel !== "stdout") return;
    if (!refusing) {
      call.text += Buffer.from(data).toString();
      return;
    }
    call.asked = true;
    return until(() => call.detached, "the detach").then(() => {
      throw new Error("nobody takes it any more");
    });
  };
  const settled = Promise.resolve().then(() => session.run(spec, sink, { signal: abort.signal, callId }));
  const call: Call = {
    text: "",
    abort,
    settled,
    result: undefined,
    late: 0,
    detached: false,
    refuse() {
      refusing = true;
    },
    asked: false,
  };
  settled.then(
    (result) => {
      call.result = result;
    },
    () => {},
  );
  return call;
}

function shellNumbers(count: number, pauseEach: number): CommandSpec {
  const wait = pauseEach > 0 ? `sleep ${pauseEach / 1_000}; ` : "";
  return { command: `i=1; while [ $i -le ${count} ]; do echo $i; ${wait}i=$((i + 1)); done; exit 3` };
}

function lines(count: number): string {
  return Array.from({ length: count }, (_, i) => `${i + 1}\n`).join("");
}

const pause = (delay: number) => new Promise<void>((resolve) => setTimeout(resolve, delay));
