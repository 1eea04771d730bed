import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sqlite } from "@belfry/sqlite";
import { administrator, type Caller, type Clock, type Config, type Json, type Logger, Master } from "belfry";

export interface TestMasterOptions {
  /** As in a `belfry.config.ts`; without a database it gets SQLite in the temporary folder. */
  config: Omit<Config, "database"> & Partial<Pick<Config, "database">>;
  clock?: Clock;
  /** Where the master lives. Default: a temporary folder that is removed at the end. */
  folder?: string;
  leaseTtl?: number;
  engine?: boolean;
  logger?: Logger;
  /** Gives the configuration of a reload. Default: `config` again. */
  load?: () => TestMasterOptions["config"] | Promise<TestMasterOptions["config"]>;
  /** A hash of the code that a configuration comes from, asked at the start and at each reload. Default: functions are compared by identity. */
  code?: () => string;
}

/** A running master in this process. Close it, or declare it with `await using`. */
export interface TestMaster extends AsyncDisposable {
  readonly master: Master;
  readonly folder: string;
  /** Calls an API method, as the administrator unless told otherwise. */
  // biome-ignore lint/suspicious/noExplicitAny: answers have the shape of their method.
  call(method: string, params?: Json, caller?: Caller): Promise<any>;
  /** Tells of a change; returns its id. */
  addChange(change?: Record<string, Json>): Promise<number>;
  /** Resolves with the buildset once all its requests have ended. */
  // biome-ignore lint/suspicious/noExplicitAny: see `call`.
  buildsetEnd(buildset: number, timeoutMillis?: number): Promise<any>;
  /** Resolves with the first event that fits, from the beginning of the log on. */
  // biome-ignore lint/suspicious/noExplicitAny: see `call`.
  event(type: string, fits?: (data: any) => boolean, timeoutMillis?: number): Promise<any>;
  /** Every event so far. */
  // biome-ignore lint/suspicious/noExplicitAny: see `call`.
  events(): Promise<any[]>;
  /** The whole text of a log. */
  logText(build: number, step: number, log?: number | string): Promise<string>;
  close(): Promise<void>;
}

const PATIENCE = 20_000;

/** Starts a master in a temporary folder. */
export async function testMaster(options: TestMasterOptions): Promise<TestMaster> {
  const own = options.folder === undefined;
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), "belfry-test-")));
  const whole = (config: TestMasterOptions["config"]) => ({ database: sqlite({ synchronous: "normal" }), ...config });
  const { load = () => options.config, code } = options;
  const master = new Master(whole(options.config), {
    folder,
    load: async () => ({ value: whole(await load()), code: code?.() }),
    loaded: { code: code?.() },
    ...(options.clock ? { clock: options.clock } : {}),
    ...(options.leaseTtl === undefined ? {} : { leaseTtl: options.leaseTtl }),
    ...(options.engine === undefined ? {} : { engine: options.engine }),
    ...(options.logger ? { logger: options.logger } : {}),
  });
  const cleanUp = async () => {
    if (own) await rm(folder, { recursive: true, force: true });
  };
  try {
    await master.start();
  } catch (error) {
    await cleanUp();
    throw error;
  }
  // biome-ignore lint/suspicious/noExplicitAny: see TestMaster.
  const call = (method: string, params: Json = {}, caller: Caller = administrator): Promise<any> =>
    master.api.call(method, params, caller);

  async function* tell(timeoutMillis: number) {
    const deadline = Date.now() + timeoutMillis;
    for (let since = "0"; ; ) {
      const waitSeconds = Math.max(0, Math.min(5, (deadline - Date.now()) / 1_000));
      const { items, next } = await call("events.since", { since, limit: 500, waitSeconds });
      yield* items;
      since = next;
      if (items.length === 0 && Date.now() >= deadline) return;
    }
  }

  const kit: TestMaster = {
    master,
    folder,
    call,
    async addChange(change = {}) {
      return (await call("changes.add", { repository: "test", branch: "main", revision: "r1", ...change })).change;
    },
    async buildsetEnd(buildset, timeoutMillis = PATIENCE) {
      await kit.event("buildset.finished", (data) => data.buildset === buildset, timeoutMillis);
      return call("buildsets.get", { buildset });
    },
    async event(type, fits = () => true, timeoutMillis = PATIENCE) {
      const seen: string[] = [];
      for await (const event of tell(timeoutMillis)) {
        if (event.type === type && fits(event.data)) return event;
        seen.push(event.type);
      }
      throw new Error(`no event "${type}" came within ${timeoutMillis} ms; there were: ${seen.slice(-30).join(", ")}`);
    },
    async events() {
      const all = [];
      for (let since = "0"; ; ) {
        const { items, next } = await call("events.since", { since, limit: 500 });
        if (items.length === 0) return all;
        all.push(...items);
        since = next;
      }
    },
    async logText(build, step, log = 1) {
      const lines: string[] = [];
      for (let first = 0; ; ) {
        const page = await call("logs.read", { build, step, log, first, count: 1_000 });
        for (const line of page.items) lines.push(line.text);
        if (page.items.length === 0) return lines.map((line) => `${line}\n`).join("");
        first = page.next;
      }
    },
    async close() {
      try {
        await master.stop();
      } finally {
        await cleanUp();
      }
    },
    [Symbol.asyncDispose]: () => kit.close(),
  };
  return kit;
}
