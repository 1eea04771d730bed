// time limit: 300 s
import { testClock } from "@belfry/testkit";
import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ConfiguredBuilder } from "../../../core/src/config/generation.ts";
import { Distributor } from "../../../core/src/engine/distributor.ts";
import { LeaseKeeper } from "../../../core/src/engine/lease-keeper.ts";
import type { LockAccess, LockDefinition } from "../../../core/src/interfaces/lock.ts";
import { finishBuild } from "../../../core/src/store/builds.ts";
import { addBuildset } from "../../../core/src/store/buildsets.ts";
import { recordGeneration } from "../../../core/src/store/generation.ts";
import { endWaiting, setPriority } from "../../../core/src/store/requests.ts";
import type { Store } from "../../../core/src/store/store.ts";
import { DATABASES } from "../databases.ts";
import { openStore } from "../store/open-store.ts";

const test = suite("distributor against a model");

const LOCKS: Record<string, number> = { one: 1, three: 3 };

interface BuilderSpec {
  workers: number[];
  locks: { lock: string; mode: "counting" | "exclusive"; count: number }[];
}

interface Plan {
  slots: number[];
  builders: BuilderSpec[];
  acts: Act[];
}

type Act =
  | { do: "ask"; builder: number; priority: number }
  | { do: "end"; which: number; retry: boolean }
  | { do: "cancel"; which: number }
  | { do: "prioritize"; which: number; priority: number }
  | { do: "pause" | "resume"; builder: number }
  | { do: "connect" | "leave"; worker: number };

/** The rules once more, told as simply as they can be. */
class Model {
  readonly #plan: Plan;
  readonly paused = new Set<number>();
  readonly away = new Set<number>();
  pending: { id: number; builder: number; urgency: number }[] = [];
  running: { id: number; builder: number; worker: number }[] = [];
  line: { id: number; builder: number; urgency: number; place: number }[] = [];
  #place = 0;

  constructor(plan: Plan) {
    this.#plan = plan;
  }

  pass(): void {
    const { builders } = this.#plan;
    const here = (builder: number) => (builders[builder]?.workers ?? []).filter((worker) => !this.away.has(worker));
    const out = (builder: number) => this.paused.has(builder) || here(builder).length === 0;
    this.line = this.line.filter(({ id, builder }) => !out(builder) && this.pending.some((one) => one.id === id));
    const stands = new Set<number>();
    for (const request of [...this.pending].sort((a, b) => a.urgency - b.urgency || a.id - b.id)) {
      const { id, builder } = request;
      const inLine = this.line.find((one) => one.id === id);
      if (inLine) inLine.urgency = request.urgency;
      if (out(builder) || (stands.has(builder) && !inLine)) continue;
      const [worker] = here(builder)
        .filter((one) => this.load(one) < this.slots(one))
        .sort((a, b) => this.load(a) / this.slots(a) - this.load(b) / this.slots(b));
      if (worker === undefined) continue;
      if (this.#fits(builder, request.urgency, inLine?.place ?? Number.POSITIVE_INFINITY)) {
        this.pending = this.pending.filter((one) => one.id !== id);
        this.line = this.line.filter((one) => one.id !== id);
        this.running.push({ id, builder, worker });
      } else if (!inLine && !stands.has(builder)) {
        this.#place += 1;
        this.line.push({ id, builder, urgency: request.urgency, place: this.#place });
        stands.add(builder);
      } else stands.add(builder);
    }
  }

  slots(worker: number): number {
    return this.#plan.slots[worker] ?? 0;
  }

  load(worker: number): number {
    return this.running.filter((one) => one.worker === worker).length;
  }

  #fits(builder: number, urgency: number, place: number): boolean {
    const ahead = this.line.filter((one) => one.urgency < urgency || (one.urgency === urgency && one.place < place));
    return (this.#plan.builders[builder]?.locks ?? []).every(({ lock, mode, count }) => {
      const others = [...this.running, ...ahead]
        .flatMap((one) => this.#plan.builders[one.builder]?.locks ?? [])
        .filter((other) => other.lock === lock);
      if (mode === "exclusive") return others.length === 0;
      if (others.some((other) => other.mode === "exclusive")) return false;
      return others.reduce((sum, other) => sum + other.count, count) <= (LOCKS[lock] ?? 0);
    });
  }
}

const locks = fc
  .uniqueArray(
    fc.record({
      lock: fc.constantFrom("one", "three"),
      mode: fc.constantFrom("counting" as const, "counting" as const, "exclusive" as const),
      count: fc.integer({ min: 1, max: 3 }),
    }),
    { maxLength: 2, selector: ({ lock }) => lock },
  )
  .map((list) =>
    list.map((one) => ({ ...one, count: one.mode === "exclusive" ? 1 : Math.min(one.count, LOCKS[one.lock] ?? 1) })),
  );

const plans: fc.Arbitrary<Plan> = fc.record({
  slots: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 3, maxLength: 3 }),
  builders: fc.array(fc.record({ workers: fc.uniqueArray(fc.nat(2), { minLength: 1, maxLength: 3 }), locks }), {
    minLength: 4,
    maxLength: 4,
  }),
  acts: fc.array(
    fc.oneof(
      {
        weight: 8,
        arbitrary: fc.record({
          do: fc.constant("ask" as const),
          builder: fc.nat(3),
          priority: fc.integer({ min: -1, max: 1 }),
        }),
      },
      { weight: 6, arbitrary: fc.record({ do: fc.constant("end" as const), which: fc.nat(50), retry: fc.boolean() }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant("cancel" as const), which: fc.nat(50) }) },
      {
        weight: 1,
        arbitrary: fc.record({
          do: fc.constant("prioritize" as const),
          which: fc.nat(50),
          priority: fc.integer({ min: -2, max: 2 }),
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ do: fc.constantFrom("pause" as const, "resume" as const), builder: fc.nat(3) }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ do: fc.constantFrom("connect" as const, "leave" as const), worker: fc.nat(2) }),
      },
    ),
    { minLength: 5, maxLength: 40 },
  ),
});

/** The real one, without a master around it. */
async function real(store: Store, plan: Plan) {
  const names = plan.builders.map((_, i) => `b${i}`);
  await recordGeneration(store, 1, {
    shown: "{}",
    code: undefined,
    builders: names.map((name) => ({ name, project: "", tags: [], description: "", maxWait: undefined })),
  });
  const leases = new LeaseKeeper(store, "me", 600_000, () => undefined);
  const lease = await leases.hold("master:m");
  await store.write(async (tx) => {
    await tx.db.insertInto("masters").values({ id: 1, name: "m", host: "", pid: 1, started_at: 0 }).execute();
    for (const [i, slots] of plan.slots.entries())
      await tx.db
        .insertInto("workers")
        .values({ name: `w${i}`, master_id: 1, connected: 1, slots, info: "{}", seen_at: 0 })
        .execute();
  });
  const builders = new Map(
    plan.builders.map((spec, i) => {
      const accesses: LockAccess[] = spec.locks.map(({ lock, mode, count }) => ({ lock, mode, count }));
      const facts = { name: `b${i}`, workers: spec.workers.map((worker) => `w${worker}`), locks: accesses, rules: {} };
      return [`b${i}`, { ...facts, properties: {}, project: "" } as unknown as ConfiguredBuilder];
    }),
  );
  const definitions = new Map<string, LockDefinition>(
    Object.entries(LOCKS).map(([name, maxCount]) => [name, { kind: "master", name, maxCount }]),
  );
  const config = { builders, locks: definitions, workerLocks: new Map() };
  const distributor = new Distributor({
    store,
    clock: testClock(),
    leases,
    config: () => config,
    generation: () => null,
  });
  return {
    async pass() {
      for (let i = 0; (await distributor.pass()).again; i += 1) assert.ok(i < 20, "it comes to an end");
    },
    async ask(builder: number, priority: number): Promise<number> {
      const spec = { builders: [`b${builder}`], sourceStamps: [], reason: "", priority };
      return (await store.write((tx) => addBuildset(tx, spec, {}))).requests[0]?.id ?? 0;
    },
    async end(request: number, retry: boolean) {
      const build = await store.read
        .selectFrom("builds as b")
        .innerJoin("builders as n", "n.id", "b.builder_id")
        .select(["b.id", "b.number", "n.name", "b.buildset_id"])
        .where("b.request_id", "=", request)
        .where("b.state", "!=", "finished")
        .executeTakeFirstOrThrow();
      const key = { id: build.id, number: build.number, builder: build.name, project: "" };
      await store.write(async (tx) => {
        await tx.requireLease(lease as NonNullable<typeof lease>);
        await finishBuild(
          tx,
          { ...key, requestId: request, buildsetId: build.buildset_id },
          retry ? "retry" : "success",
          "",
        );
      });
    },
    async running() {
      const rows = await store.read
        .selectFrom("builds")
        .select(["id", "request_id", "worker"])
        .where("state", "!=", "finished")
        .execute();
      const held = await store.read.selectFrom("locks").select("build_id").where("held", "=", 1).execute();
      for (const { build_id } of held)
        assert.ok(
          rows.some((row) => row.id === build_id),
          "invariant 5",
        );
      return rows.map((row) => `${row.request_id} on ${row.worker}`).sort();
    },
  };
}

test("property: who is built where, in which order, with which locks", async () => {
  const [kind] = DATABASES;
  assert.ok(kind);
  let starts = 0;
  let waits = 0;
  await fc.assert(
    fc.asyncProperty(plans, async (plan) => {
      await using database = await kind.open();
      await using open = await openStore(database);
      const { store } = open;
      const farm = await real(store, plan);
      const model = new Model(plan);
      for (const act of plan.acts) {
        if (act.do === "ask") {
          const id = await farm.ask(act.builder, act.priority);
          model.pending.push({ id, builder: act.builder, urgency: -act.priority });
        } else if (act.do === "end") {
          const ended = model.running[act.which % Math.max(1, model.running.length)];
          if (!ended) continue;
          await farm.end(ended.id, act.retry);
          model.running = model.running.filter((one) => one !== ended);
          const row = await store.read
            .selectFrom("build_requests")
            .select("urgency")
            .where("id", "=", ended.id)
            .executeTakeFirstOrThrow();
          if (act.retry) model.pending.push({ id: ended.id, builder: ended.builder, urgency: row.urgency });
        } else if (act.do === "cancel" || act.do === "prioritize") {
          const one = model.pending[act.which % Math.max(1, model.pending.length)];
          if (!one) continue;
          const row = await store.read
            .selectFrom("build_requests")
            .select("buildset_id")
            .where("id", "=", one.id)
            .executeTakeFirstOrThrow();
          const key = { id: one.id, buildsetId: row.buildset_id, builder: `b${one.builder}`, project: "" };
          if (act.do === "prioritize") {
            await store.write((tx) => setPriority(tx, key, act.priority));
            one.urgency = -act.priority;
            for (const other of model.line) if (other.id === one.id) other.urgency = one.urgency;
          } else {
            await store.write((tx) => endWaiting(tx, key, "cancelled"));
            model.pending = model.pending.filter((other) => other !== one);
          }
        } else if ("builder" in act) {
          if (act.do === "pause") model.paused.add(act.builder);
          else model.paused.delete(act.builder);
          const paused = act.do === "pause" ? 1 : 0;
          await store.write((tx) =>
            tx.db.updateTable("builders").set({ paused }).where("name", "=", `b${act.builder}`).execute(),
          );
        } else {
          if (act.do === "leave") model.away.add(act.worker);
          else model.away.delete(act.worker);
          const connected = act.do === "leave" ? 0 : 1;
          await store.write((tx) =>
            tx.db.updateTable("workers").set({ connected }).where("name", "=", `w${act.worker}`).execute(),
          );
        }
        await farm.pass();
        model.pass();
        const expected = model.running.map(({ id, worker }) => `${id} on w${worker}`).sort();
        assert.equal(await farm.running(), expected, JSON.stringify(act));
        starts += expected.length;
        waits += model.line.length;
      }
    }),
    { numRuns: 60 },
  );
  assert.ok(starts > 100 && waits > 20, `${starts} and ${waits}: or nothing was tried`);
});

test.run();
