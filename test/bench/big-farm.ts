import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { http } from "@belfry/http";
import { force } from "@belfry/schedulers";
import { sqlite } from "@belfry/sqlite";
import { fakeWorker, step, type TestMaster, testMaster } from "@belfry/testkit";
import { web } from "@belfry/web";
import { type BuilderConfig, type Config, createFileLogStore } from "belfry";
import Database from "better-sqlite3";
import { httpUrl } from "./http-url.ts";

export const BUILDERS = 200;
export const BUILDS = 100_000;
/** So many builders build each revision. */
const SPREAD = 20;
const STEPS = ["checkout", "configure", "compile", "unit tests", "package"];
const PEOPLE = ["ada", "grace", "linus", "margaret", "barbara", "edsger"];
const EPOCH = Date.UTC(2026, 0, 1);
const EVERY = 60_000;

/** So many logs there are in truth, each of them for very many steps. */
const LOGS = 50;
const LINES = 812;
const logKey = (i: number) => `farm/${i % LOGS}`;

export const builderName = (i: number): string =>
  `${["linux", "mac", "win", "bsd"][i % 4]}-${["app", "lib", "docs"][i % 3]}-${i}`;
export const revisionOf = (i: number): string => (0x1000_0000 + i).toString(16).repeat(5);

/** A farm's history, put straight into the database of a master that has made its tables: what the pages show and no more. */
export function fillFarm(file: string): void {
  const db = new Database(file);
  db.pragma("synchronous = OFF");
  const into = (table: string, columns: string) =>
    db.prepare(`insert into ${table} (${columns}) values (${columns.replace(/\w+/g, (name) => `@${name}`)})`);
  const change = into(
    "changes",
    "id, source, key, author, comments, files, revision, branch, repository, codebase, project, when_at, added_at, properties",
  );
  const stamp = into("source_stamps", "id, hash, repository, branch, revision, codebase, project, created_at");
  const buildset = into(
    "buildsets",
    "id, scheduler, reason, properties, submitted_at, complete_at, result, open_requests",
  );
  const ofStamp = into("buildset_stamps", "buildset_id, stamp_id");
  const ofChange = into("buildset_changes", "buildset_id, change_id");
  const request = into(
    "build_requests",
    "id, buildset_id, builder_id, priority, urgency, state, submitted_at, not_before, claimed_at, complete_at, result, retries",
  );
  const build = into(
    "builds",
    "id, number, builder_id, request_id, buildset_id, worker, slot, master_id, fence, generation, state, branch, revision, assigned_at, started_at, finished_at, result, summary",
  );
  const step = into("steps", "build_id, step, name, kind, started_at, finished_at, result, summary");
  const log = into("logs", "build_id, step, log, name, store_key, finished, lines, bytes, truncated");
  const property = into("properties", "build_id, name, value, source");
  const ids = db.prepare("select id from builders where tags like '%tag-%' order by name").pluck().all() as number[];
  db.transaction(() => {
    for (let i = 0; i < BUILDS; i += 1) {
      const id = i + 1;
      const set = Math.floor(i / SPREAD) + 1;
      const at = EPOCH + set * EVERY;
      const branch = set % 5 === 0 ? "release" : "main";
      const revision = revisionOf(set);
      if (i % SPREAD === 0) {
        const author = `${PEOPLE[set % PEOPLE.length]} <${PEOPLE[set % PEOPLE.length]}@example.org>`;
        change.run({
          id: set,
          source: "git",
          key: revision,
          author,
          comments: `Change number ${set}\n\nWith a second paragraph.`,
          files: '["src/a.c","src/b.c"]',
          revision,
          branch,
          repository: "https://example.org/app.git",
          codebase: "",
          project: "app",
          when_at: at,
          added_at: at,
          properties: "{}",
        });
        stamp.run({
          id: set,
          hash: `hash ${set}`,
          repository: "https://example.org/app.git",
          branch,
          revision,
          codebase: "",
          project: "app",
          created_at: at,
        });
        buildset.run({
          id: set,
          scheduler: "force",
          reason: "a change",
          properties: "{}",
          submitted_at: at,
          complete_at: at + 50_000,
          result: "success",
          open_requests: 0,
        });
        ofStamp.run({ buildset_id: set, stamp_id: set });
        ofChange.run({ buildset_id: set, change_id: set });
      }
      const result = i % 7 === 0 ? "failure" : i % 11 === 0 ? "warnings" : "success";
      const begun = at + (i % SPREAD) * 1_000;
      const ended = begun + 20_000 + (i % 13) * 1_000;
      const times = { submitted_at: at, claimed_at: begun, complete_at: ended };
      const builder_id = ids[i % BUILDERS];
      request.run({
        id,
        buildset_id: set,
        builder_id,
        priority: 0,
        urgency: 0,
        state: "complete",
        ...times,
        not_before: at,
        result,
        retries: 0,
      });
      build.run({
        id,
        number: Math.floor(i / BUILDERS) + 1,
        builder_id,
        request_id: id,
        buildset_id: set,
        worker: `w${i % 20}`,
        slot: 0,
        master_id: 1,
        fence: 1,
        generation: 1,
        state: "finished",
        branch,
        revision,
        assigned_at: begun,
        started_at: begun,
        finished_at: ended,
        result,
        summary: result === "failure" ? "3 tests of 812 failed" : "812 tests",
      });
      for (const [at, name] of STEPS.entries()) {
        const from = begun + at * 4_000;
        step.run({
          build_id: id,
          step: at + 1,
          name,
          kind: "@belfry/steps/shell",
          started_at: from,
          finished_at: from + 4_000,
          result: at === 3 ? result : "success",
          summary: "",
        });
        log.run({
          build_id: id,
          step: at + 1,
          log: 1,
          name: "stdio",
          store_key: logKey(id),
          finished: 1,
          lines: 812,
          bytes: 40_000,
          truncated: 0,
        });
      }
      property.run({ build_id: id, name: "gotRevision", value: JSON.stringify(revision), source: "git" });
      property.run({ build_id: id, name: "buildNumber", value: String(i), source: "build" });
    }
    db.prepare(`update builders set next_number = ${BUILDS / BUILDERS + 1}`).run();
    db.prepare("analyze").run();
  })();
  db.close();
}

async function writeLogs(folder: string): Promise<void> {
  const store = createFileLogStore({ folder });
  await store.start?.();
  for (let i = 0; i < LOGS; i += 1) {
    const log = store.create(logKey(i), { fence: 1, capBytes: 10_000_000 });
    for (let line = 1; line <= LINES; line += 1)
      await log.append(
        "stdout",
        Buffer.from(`[${line}] cc -O2 -c src/file-${line}.c -o build/file-${line}.o\n`),
        EPOCH + line,
      );
    await log.finish();
  }
  await store.stop?.();
}

export interface BigFarm extends AsyncDisposable {
  kit: TestMaster;
  url: string;
}

/**
 * A master with that history and its pages; 8 builds run and 20 requests wait, for as long as it is open. `builders`
 * are further ones, which "force" may start.
 */
export async function bigFarm(
  options: Parameters<typeof web>[0] = {},
  { builders = [], ...more }: Omit<Partial<Config>, "builders"> & { builders?: BuilderConfig[] } = {},
): Promise<BigFarm> {
  const folder = await mkdtemp(join(tmpdir(), "belfry-farm-"));
  const file = join(folder, "belfry.sqlite");
  const gate = Promise.withResolvers<void>();
  const names = Array.from({ length: BUILDERS }, (_, i) => builderName(i));
  const workers = Array.from({ length: 20 }, (_, i) => fakeWorker({ name: `w${i}` }));
  const stays = step({
    run: async () => {
      await gate.promise;
      return { result: "success" };
    },
  });
  const kit = await testMaster({
    folder,
    config: {
      database: sqlite({ file }),
      access: { anonymous: "read" },
      retention: false,
      services: [http({ port: 0 }), web(options)],
      schedulers: [force({ name: "force", builders: [...names, ...builders.map(({ name }) => name)] })],
      ...more,
      workers: [...workers, ...(more.workers ?? [])],
      builders: [
        ...names.map((name, i) => ({
          name,
          tags: [`tag-${i % 10}`],
          project: ["app", "lib", "docs"][i % 3] as string,
          workers: [`w${i % 20}`],
          steps: [stays],
        })),
        ...builders,
      ],
    },
  });
  const close = async () => {
    gate.resolve();
    await kit[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    fillFarm(file);
    await writeLogs(join(kit.master.stateFolder, "logs"));
    const start = (i: number) => kit.call("schedulers.force", { scheduler: "force", builders: [builderName(i)] });
    for (let i = 0; i < 8; i += 1) await start(i);
    for (let i = 8; i < 28; i += 1) {
      await kit.call("builders.pause", { builder: builderName(i) });
      await start(i);
    }
    return { kit, url: httpUrl(kit.master), [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}
