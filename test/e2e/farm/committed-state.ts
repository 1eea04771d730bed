import { existsSync } from "node:fs";
import { copyFile, rm } from "node:fs/promises";
import { join } from "node:path";
import Database from "better-sqlite3";
import pg from "pg";

export interface LockLimit {
  lock: string;
  /** "" for a lock of the master. */
  worker: string;
  most: number;
}

type Row = Record<string, unknown>;
type Query = (sql: string) => Promise<Row[]>;

/**
 * What has to hold of whatever is committed, at any moment, also right after a master was killed: each
 * query finds what must not be.
 */
const FORBIDDEN: Record<string, string> = {
  "a lock held by a build that has ended": `select l.* from locks l left join builds b on b.id = l.build_id
    where l.build_id <> 0 and (b.id is null or b.state = 'finished')`,
  "a lock of a step that has ended": `select l.* from locks l
    left join steps s on s.build_id = l.build_id and s.step = l.step
    where l.step <> 0 and (s.build_id is null or s.finished_at is not null)`,
  "a request in the line for locks that does not wait": `select l.* from locks l join build_requests r on r.id = l.request_id
    where l.build_id = 0 and (r.state <> 'pending' or l.held = 1)`,
  "an exclusive lock that somebody else holds too": `select lock, worker from locks where held = 1
    group by lock, worker having count(*) > 1 and max(case mode when 'exclusive' then 1 else 0 end) = 1`,
  "a request with more than one build at a time": `select request_id from builds where state <> 'finished'
    group by request_id having count(*) > 1`,
  "a claimed request that nobody builds": `select id from build_requests r where state = 'claimed'
    and not exists (select 1 from builds b where b.request_id = r.id and b.state <> 'finished')`,
  "a build whose request is not claimed": `select b.id from builds b join build_requests r on r.id = b.request_id
    where b.state <> 'finished' and r.state <> 'claimed'`,
  "a request with two builds that are no retry": `select request_id from builds
    where state = 'finished' and result <> 'retry' group by request_id having count(*) > 1`,
  "a request that goes on after its end": `select r.id from build_requests r join builds b on b.request_id = r.id
    where b.state = 'finished' and b.result <> 'retry' and (r.state <> 'complete' or r.result <> b.result)`,
  "a buildset that counts its requests wrongly": `select id, open_requests from buildsets s where open_requests <>
    (select count(*) from build_requests r where r.buildset_id = s.id and r.state <> 'complete')
    or (open_requests = 0) <> (complete_at is not null)`,
  "a step that triggered twice": `select parent_build, parent_step from buildsets where parent_build is not null
    group by parent_build, parent_step having count(*) > 1`,
  "what a build triggered and shall not outlive it, but does": `select s.id from buildsets s
    join builds p on p.id = s.parent_build join build_requests r on r.buildset_id = s.id
    left join builds b on b.request_id = r.id and b.state <> 'finished'
    where s.ends_with_parent = 1 and p.state = 'finished' and p.result not in ('success', 'warnings')
    and (r.state = 'pending' or (r.state = 'claimed' and b.stop_reason is null))`,
  "a request that is built with itself, with an older one or with another builder's": `select r.id from build_requests r
    left join build_requests t on t.id = r.collapsed_into where r.collapsed_into is not null
    and (t.id is null or t.id <= r.id or t.builder_id <> r.builder_id or r.state <> 'complete' or r.result <> 'skipped')`,
  "a skipped request that points nowhere": `select id from build_requests where result = 'skipped' and collapsed_into is null`,
  "an event that nobody counted": `select seq from events where seq > (select value from counters where name = 'events')`,
};

/** The database as it is committed now, seen from outside. */
export interface CommittedState extends AsyncDisposable {
  /** What holds that must not, in words; all of it at one moment. */
  broken(limits: readonly LockLimit[]): Promise<string[]>;
  rows(sql: string): Promise<Row[]>;
}

/** A SQLite file is looked at as a copy, so that the next master finds it as the last one left it; none may run. */
export async function committedState(folder: string, url: string): Promise<CommittedState> {
  if (url === "") {
    const file = join(folder, ".belfry", "belfry.sqlite");
    const copy = join(folder, "copy.sqlite");
    const onCopy = async <T>(use: (query: Query) => Promise<T>): Promise<T> => {
      await copyFile(file, copy);
      if (existsSync(`${file}-wal`)) await copyFile(`${file}-wal`, `${copy}-wal`);
      const db = new Database(copy);
      try {
        return await use(async (sql) => db.prepare(sql).all() as Row[]);
      } finally {
        db.close();
        for (const end of ["", "-wal", "-shm"]) await rm(`${copy}${end}`, { force: true });
      }
    };
    return {
      broken: async (limits) => (existsSync(file) ? onCopy((query) => findBroken(query, limits)) : []),
      rows: (sql) => onCopy((query) => query(sql)),
      async [Symbol.asyncDispose]() {},
    };
  }
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const query: Query = async (sql) => (await client.query(sql)).rows;
  return {
    async broken(limits) {
      await client.query("begin isolation level repeatable read read only");
      try {
        const { rows } = await client.query("select to_regclass('locks') as found");
        return rows[0].found === null ? [] : await findBroken(query, limits);
      } finally {
        await client.query("rollback");
      }
    },
    rows: query,
    [Symbol.asyncDispose]: () => client.end(),
  };
}

async function findBroken(query: Query, limits: readonly LockLimit[]): Promise<string[]> {
  const found: string[] = [];
  for (const [what, sql] of Object.entries(FORBIDDEN)) {
    const rows = await query(sql);
    if (rows.length > 0) found.push(`${what}: ${JSON.stringify(rows.slice(0, 5))}`);
  }
  const sums = await query("select lock, worker, sum(count) as taken from locks where held = 1 group by lock, worker");
  for (const { lock, worker, taken } of sums) {
    const most = limits.find((limit) => limit.lock === lock && limit.worker === worker)?.most ?? 0;
    if (Number(taken) > most) found.push(`${taken} of the ${most} of the lock ${lock} of "${worker}" held at once`);
  }
  return found;
}
