import { dirname, join, resolve } from "node:path";
import { lockHolder, lockState } from "../engine/state-lock.ts";
import { systemClock } from "../engine/system-clock.ts";
import { faults } from "../errors/catalogue.ts";
import { copyStore } from "../store/copy.ts";
import { Store } from "../store/store.ts";
import { EXIT } from "./exit-code.ts";
import { openDatabase } from "./open-database.ts";
import type { Session } from "./session.ts";

/**
 * Copies the database of the configuration to that of another one. The other one's state folder is `.belfry` beside
 * it, or the same if both are in one folder.
 */
export async function copy(session: Session, other: string): Promise<number> {
  const target = resolve(session.cwd, other);
  const inOne = dirname(target) === dirname(session.configFile);
  const folders = [session.stateFolder, ...(inOne ? [] : [join(dirname(target), ".belfry")])];
  const unlock: (() => Promise<void>)[] = [];
  try {
    for (const folder of folders) {
      const holder = await lockHolder(folder);
      if (holder !== undefined) throw faults.databaseInUse(holder);
      unlock.push(await lockState(folder, "copy"));
    }
    return await copyLocked(session, target, folders.at(-1) ?? "");
  } finally {
    for (const each of unlock) await each();
  }
}

async function copyLocked(session: Session, target: string, folder: string): Promise<number> {
  await using from = await openDatabase(session, session.configFile, session.stateFolder, true);
  await using to = await openDatabase(session, target, folder, false);
  const tables = await copyStore(
    new Store(from.connection, systemClock),
    new Store(to.connection, systemClock),
    session.signal,
    ({ table, rows }) => {
      if (!session.json && rows > 0) session.err.line(`${table}: ${rows}`);
    },
  );
  const rows = tables.reduce((sum, table) => sum + table.rows, 0);
  session.print({ rows, tables: tables.map((table) => ({ ...table })) }, () => [
    `Copied ${rows} rows; every table has as many in both databases.`,
    "The logs of builds are files of their own: they stay where they are, in the folder `logs` of the master's own folder.",
  ]);
  return EXIT.fine;
}
