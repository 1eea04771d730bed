// The program of the thread that `StatementThread` starts: runs statements on a connection of its own.
import { parentPort, workerData } from "node:worker_threads";
import { CompiledQuery } from "kysely";
import { openNative } from "./native.ts";
import { Session } from "./session.ts";

export interface ThreadData {
  file: string;
  readOnly: boolean;
  timeout: number;
}

export interface Question {
  id: number;
  /** Absent: close and end. */
  sql?: string;
  parameters?: readonly unknown[];
}

export interface Answer {
  id: number;
  result?: { rows: unknown[]; numAffectedRows?: bigint; insertId?: bigint };
  error?: { message: string; code: string | undefined };
}

const port = parentPort;
const { file, readOnly, timeout } = workerData as ThreadData;

if (port) {
  let session: Session | undefined;
  const connected = (): Session => {
    if (session) return session;
    session = new Session(openNative(file, { readonly: readOnly, fileMustExist: true, timeout }));
    for (const pragma of ["foreign_keys = on", "synchronous = full", "temp_store = memory", "wal_autocheckpoint = 0"]) {
      session.native.pragma(pragma, { simple: true });
    }
    return session;
  };

  port.on("message", ({ id, sql, parameters = [] }: Question) => {
    const answer: Answer = { id };
    try {
      if (sql === undefined) session?.close();
      else {
        try {
          answer.result = connected().run(CompiledQuery.raw(sql, [...parameters]));
        } catch (error) {
          // A dump: several statements in one string.
          if (!(error instanceof RangeError) || parameters.length > 0) throw error;
          connected().native.exec(sql);
          answer.result = { rows: [] };
        }
      }
    } catch (error) {
      const { message, code } = error as { message: string; code?: string };
      answer.error = { message, code };
    }
    port.postMessage(answer);
    if (sql === undefined) port.close();
  });
}
