import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { BelfryError } from "../errors/belfry-error.ts";
import { faults } from "../errors/catalogue.ts";
import { EXIT } from "./exit-code.ts";
import { openDatabase } from "./open-database.ts";
import { oneLine } from "./plain-text.ts";
import type { Session } from "./session.ts";

/** Writes the database as it is at one moment into a file, while a master may run. */
export async function backup(session: Session, file: string): Promise<number> {
  const path = resolve(session.cwd, file);
  if (await stat(path).catch(() => undefined)) throw faults.backupExists(path);
  await using database = await openDatabase(session, session.configFile, session.stateFolder, true);
  const { connection } = database;
  if (!connection.backup) throw faults.backupElsewhere(connection.backupCommand?.(path) ?? "the server's own tools");
  try {
    await connection.backup(path);
  } catch (error) {
    if (BelfryError.is(error)) throw error;
    if ((error as NodeJS.ErrnoException).code === "EEXIST") throw faults.backupExists(path);
    throw faults.backupFailed(path, error);
  }
  const { size } = await stat(path);
  session.print({ file: path, bytes: size }, () => [
    `Written: ${oneLine(path)}, ${Math.round(size / 1e4) / 100} MB.`,
    "The logs of builds are files of their own, and not in it.",
  ]);
  return EXIT.fine;
}
