import { BelfryError } from "belfry";

/** Every way in which this plugin refuses. Each code is in the README. */
export const faults = {
  locked: (file: string, waited: number, cause?: unknown) =>
    new BelfryError(
      "BELFRY_SQLITE_LOCKED",
      {
        what: `The database ${file} is locked.`,
        why: `Another process has held it for more than ${Math.round(waited / 100) / 10} s.`,
        fix: "End the program that writes this file (`fuser` or `lsof` names it); the master goes on as soon as the file is free.",
      },
      { cause },
    ),
  full: (file: string, cause: unknown) =>
    new BelfryError(
      "BELFRY_SQLITE_FULL",
      {
        what: `Nothing more can be written to the database ${file}.`,
        why: "The disk is full.",
        fix: "Make space on that disk; nothing needs to be restarted.",
      },
      { cause },
    ),
  disk: (file: string, cause: unknown) =>
    new BelfryError(
      "BELFRY_SQLITE_DISK",
      {
        what: `The database ${file} cannot be read or written.`,
        why: "The disk reported an input/output error.",
        fix: "Look at the system's log for this disk, then restart the master.",
      },
      { cause },
    ),
  corrupt: (file: string, cause: unknown) =>
    new BelfryError(
      "BELFRY_SQLITE_CORRUPT",
      {
        what: `The database ${file} is damaged.`,
        why: "SQLite found its pages in disorder.",
        fix: "Stop the master and restore a backup, or try `sqlite3 FILE .recover` on a copy.",
      },
      { cause },
    ),
  notADatabase: (file: string, cause?: unknown) =>
    new BelfryError(
      "BELFRY_SQLITE_NOT_A_DATABASE",
      {
        what: `${file} is not an SQLite database.`,
        why: "It is a folder, or a file with other contents.",
        fix: "Give `sqlite({ file })` another name, or move that file away.",
      },
      { cause },
    ),
  folder: (folder: string, cause: unknown) =>
    new BelfryError(
      "BELFRY_SQLITE_FOLDER",
      {
        what: `The folder ${folder} cannot hold the database.`,
        why: "It does not exist and cannot be made, or this user may not write there.",
        fix: "Correct its owner or permissions, or give `sqlite({ file })` a path elsewhere.",
      },
      { cause },
    ),
  readOnly: (file: string, cause: unknown) =>
    new BelfryError(
      "BELFRY_SQLITE_READ_ONLY",
      {
        what: `The database ${file} cannot be written.`,
        why: "The file or its disk is read-only for this user.",
        fix: "Correct the permissions of the file, its folder and its `-wal` and `-shm` files.",
      },
      { cause },
    ),
  missing: (file: string) =>
    new BelfryError("BELFRY_SQLITE_MISSING", {
      what: `There is no database at ${file}.`,
      why: "A process that only reads does not make one.",
      fix: "Start the master that has the engine first, or correct `file`.",
    }),
  noWal: (file: string, mode: string) =>
    new BelfryError("BELFRY_SQLITE_NO_WAL", {
      what: `The database ${file} cannot be used where it is.`,
      why: `SQLite cannot keep a write-ahead log there (it offers "${mode}"), as on network file systems.`,
      fix: "Put the file on a local disk, or use PostgreSQL.",
    }),
  readsOnly: () =>
    new BelfryError("BELFRY_SQLITE_READS_ONLY", {
      what: "This process does not write the database.",
      why: "It serves the API beside a master that has the engine, and SQLite has one writing process.",
      fix: "Ask the master that has the engine, or use PostgreSQL.",
    }),
  closed: () =>
    new BelfryError("BELFRY_SQLITE_CLOSED", {
      what: "The database is closed.",
      why: "The master is stopping or has stopped.",
      fix: "Nothing to do.",
    }),
  slow: (limit: number) =>
    new BelfryError("BELFRY_TRANSACTION_SLOW", {
      what: `A transaction was taken back because it did not end within ${limit / 1_000} s.`,
      why: "It awaited something else than its own statements, and all other writes waited for it.",
      fix: "Await clocks, files, the network and user code before `write`, not inside it.",
    }),
  commitUnknown: (file: string, cause: unknown) =>
    new BelfryError(
      "BELFRY_COMMIT_UNKNOWN",
      {
        what: "It is not known whether a transaction is on the disk.",
        why: `It was committed to ${file}, but the disk did not confirm that it is stored.`,
        fix: "Look at the system's log for this disk; read what was written before writing it again.",
      },
      { cause },
    ),
};
