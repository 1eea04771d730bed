import { resolve } from "node:path";
import type { Generation } from "../config/generation.ts";
import { loadConfigFile } from "../config/load.ts";
import type { DatabaseConnection } from "../interfaces/database.ts";
import { oneLine } from "./plain-text.ts";
import type { Session } from "./session.ts";

/** A database that a configuration names, opened without a master. */
export interface OpenedDatabase extends AsyncDisposable {
  generation: Generation;
  connection: DatabaseConnection;
}

export async function openDatabase(
  session: Session,
  configFile: string,
  stateFolder: string,
  readOnly: boolean,
): Promise<OpenedDatabase> {
  const { value, folder } = await loadConfigFile(resolve(session.cwd, configFile));
  const { Master } = await import("../master.ts");
  const { generation } = new Master(value, { folder, stateFolder });
  const connection = await generation.database.part.open({
    folder: stateFolder,
    signal: session.signal,
    note: (message) => session.err.line(oneLine(message)),
    readOnly,
  });
  return { generation, connection, [Symbol.asyncDispose]: () => connection.close() };
}
