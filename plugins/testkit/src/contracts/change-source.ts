import * as assert from "node:assert/strict";
import * as fs from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ChangeSource, Clock, Json, NewChange } from "belfry";
import { type Check, CheckList } from "../checks.ts";
import { systemClock } from "../system-clock.ts";
import { rejects, within } from "../waiting.ts";

/** Something real that a source watches, such as a repository made for this check. */
export interface WatchedWorld {
  /** Makes a source that watches it, as core does when a configuration is loaded. */
  make(): ChangeSource;
  /** Makes one more change there, which the next poll has to find. */
  change(): Promise<void>;
  close(): Promise<void>;
}

export interface ChangeSourceContractOptions {
  /** Makes a world of its own for each check. */
  open(): Promise<WatchedWorld>;
  clock?: Clock;
  /** How long a poll may take, in milliseconds. Default 30,000. */
  limit?: number;
}

/** What the interface `ChangeSource` promises, as checks of a kind of source that polls. */
export function changeSourceContract(name: string, options: ChangeSourceContractOptions): Check[] {
  const list = new CheckList(name);
  const limit = options.limit ?? 30_000;
  const clock = options.clock ?? systemClock;

  const check = (title: string, work: (world: WatchedWorld, core: TestCore) => Promise<void>) =>
    list.add(title, async () => {
      const folder = await fs.mkdtemp(join(tmpdir(), "belfry-source-"));
      try {
        const world = await options.open();
        try {
          await work(world, new TestCore(folder, clock, limit));
        } finally {
          await world.close();
        }
      } finally {
        await fs.rm(folder, { recursive: true, force: true, maxRetries: 3 });
      }
    });

  check("says how often it wants to poll", async (world) => {
    const source = world.make();
    assert.equal(typeof source.poll, "function", "this contract is for sources that poll");
    assert.ok(source.pollInterval !== undefined && source.pollInterval > 0, "it has no interval");
    if (source.pollTimeout !== undefined) assert.ok(source.pollTimeout > 0);
  });

  check("reports a new change, and only once", async (world, core) => {
    const source = world.make();
    await core.poll(source);
    await world.change();
    assert.equal((await core.poll(source)).added.length, 1, "a change was made, and the next poll did not report one");
    assert.deepEqual((await core.poll(source)).added, [], "nothing was changed, but it reported something new");
  });

  check("reports the changes of some time in the order in which they were made", async (world, core) => {
    const source = world.make();
    await core.poll(source);
    for (let i = 0; i < 3; i += 1) await world.change();
    const together = (await core.poll(source)).added;
    assert.equal(together.length, 3, "three changes were made");
    const others = await options.open();
    try {
      const apart = new TestCore(join(core.folder, "apart"), clock, limit);
      await fs.mkdir(apart.folder);
      const other = others.make();
      await apart.poll(other);
      const single: NewChange[] = [];
      for (let i = 0; i < 3; i += 1) {
        await others.change();
        single.push(...(await apart.poll(other)).added);
      }
      assert.deepEqual(
        together.map(({ comments }) => comments),
        single.map(({ comments }) => comments),
      );
    } finally {
      await others.close();
    }
  });

  check("describes changes as the interface says", async (world, core) => {
    const source = world.make();
    await core.poll(source);
    await world.change();
    for (const change of (await core.poll(source)).added) {
      assert.notEqual(change.key, "", "the key is empty");
      for (const text of [change.key, change.author, change.comments, change.repository]) {
        assert.equal(typeof text, "string");
      }
      for (const text of [change.revision, change.branch]) assert.ok(text === null || typeof text === "string");
      assert.ok(Array.isArray(change.files));
      for (const file of change.files) {
        assert.doesNotMatch(
          file,
          /^\/|^[a-zA-Z]:\\|(^|\/)\.\.(\/|$)/,
          `"${file}" is not relative to the repository's root`,
        );
      }
      if (change.when !== undefined) assert.ok(Number.isFinite(change.when) && change.when > 0);
      const plain = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
      assert.deepEqual(JSON.parse(JSON.stringify(plain)), plain, "the change does not survive JSON");
    }
  });

  check("remembers only what is in its state, and that survives JSON", async (world, core) => {
    await core.poll(world.make());
    assert.deepEqual(JSON.parse(JSON.stringify(core.state ?? null)), core.state ?? null);
    await world.change();
    assert.equal((await core.poll(world.make())).added.length, 1, "another instance, in another process, has to go on");
    assert.deepEqual((await core.poll(world.make())).added, []);
  });

  check("gives a change the same key when it has to be found again", async (world, core) => {
    await core.poll(world.make());
    const before = core.state;
    await world.change();
    const found = (await core.poll(world.make())).reported.map(({ key }) => key);
    assert.notEqual(found.length, 0);
    core.state = before;
    const again = await core.poll(world.make());
    assert.deepEqual(
      again.reported.map(({ key }) => key),
      found,
    );
    assert.deepEqual(again.added, [], "the same change came under another key");
  });

  check("fails when its report is not stored, and reports again the next time", async (world, core) => {
    const source = world.make();
    await core.poll(source);
    await world.change();
    core.refusal = new Error("the database is away");
    await rejects(core.poll(source), "a poll whose report was refused");
    core.refusal = undefined;
    assert.equal((await core.poll(source)).added.length, 1, "the change was lost");
  });

  check("goes on when its folder has been emptied", async (world, core) => {
    const source = world.make();
    await core.poll(source);
    for (const entry of await fs.readdir(core.folder))
      await fs.rm(join(core.folder, entry), { recursive: true, force: true });
    await world.change();
    const { added } = await core.poll(source);
    assert.equal(added.length, 1, "the folder holds caches only, and nothing may depend on it");
  });

  check("reports one thing after the other", async (world, core) => {
    const source = world.make();
    await core.poll(source);
    for (let i = 0; i < 3; i += 1) await world.change();
    await core.poll(source);
    assert.equal(core.overlaps, 0, "two reports overlapped");
    assert.equal(core.lateUses, 0, "its context was used after the poll");
  });

  check("lets go when it is told to", async (world, core) => {
    const stop = new AbortController();
    stop.abort(new Error("the master shuts down"));
    await rejects(core.poll(world.make(), stop.signal), "a poll that was told to stop");
  });

  return list.checks;
}

/** Core's side of a source: what is stored under which key, and the state. */
class TestCore {
  readonly folder: string;
  state: Json | undefined;
  refusal: Error | undefined;
  overlaps = 0;
  lateUses = 0;
  readonly #clock: Clock;
  readonly #limit: number;
  readonly #keys = new Set<string>();

  constructor(folder: string, clock: Clock, limit: number) {
    this.folder = folder;
    this.#clock = clock;
    this.#limit = limit;
  }

  async poll(source: ChangeSource, signal = new AbortController().signal) {
    const reported: NewChange[] = [];
    const added: NewChange[] = [];
    let reporting = 0;
    let over = false;
    const state = this.state === undefined ? undefined : structuredClone(this.state);
    const report = async (changes: NewChange[], next?: Json) => {
      if (over) this.lateUses += 1;
      if (reporting > 0) this.overlaps += 1;
      reporting += 1;
      try {
        await new Promise((resume) => setImmediate(resume));
        if (this.refusal !== undefined) throw this.refusal;
        const fresh = changes.filter(
          ({ key }, i) => !this.#keys.has(key) && changes.findIndex((other) => other.key === key) === i,
        );
        for (const { key } of fresh) this.#keys.add(key);
        reported.push(...structuredClone(changes));
        added.push(...structuredClone(fresh));
        if (next !== undefined) this.state = structuredClone(next);
        return { added: fresh.length };
      } finally {
        reporting -= 1;
      }
    };
    assert.ok(source.poll !== undefined, "this contract is for sources that poll");
    try {
      await within(
        this.#limit,
        "a poll",
        source.poll({
          state,
          clock: this.#clock,
          signal,
          folder: this.folder,
          report,
          note: () => {},
          progress: () => {},
          secret: async (name) => `secret of ${name}`,
        }),
      );
    } finally {
      over = true;
    }
    if (reporting > 0) this.overlaps += 1;
    return { reported, added };
  }
}
