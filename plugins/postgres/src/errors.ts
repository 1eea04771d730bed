import { BelfryError } from "belfry";

/** Every way in which this plugin refuses. Each code is in the README. Addresses are shown without user and password. */
export const faults = {
  url: () =>
    new BelfryError("BELFRY_POSTGRES_URL", {
      what: "The address of the PostgreSQL server cannot be used.",
      why: "It has to look like postgresql://user:password@host:5432/database.",
      fix: "Correct `url`; characters such as @ / : # ? in a password have to be percent-encoded.",
    }),
  unreachable: (where: string, waited: number, cause: unknown) =>
    new BelfryError(
      "BELFRY_POSTGRES_UNREACHABLE",
      {
        what: `The PostgreSQL server at ${where} does not answer.`,
        why: `It was tried for ${Math.round(waited / 100) / 10} s.`,
        fix: "Start the server, or correct host and port; look for a firewall between here and there.",
      },
      { cause },
    ),
  refused: (where: string, cause: unknown) =>
    new BelfryError(
      "BELFRY_POSTGRES_REFUSED",
      {
        what: `The PostgreSQL server at ${where} refuses this user.`,
        why: "The user or the password is wrong, or the server's pg_hba.conf does not let it in from here.",
        fix: "Correct `url` or PGUSER and PGPASSWORD, or the server's pg_hba.conf.",
      },
      { cause },
    ),
  databaseMissing: (where: string, cause: unknown) =>
    new BelfryError(
      "BELFRY_POSTGRES_DATABASE_MISSING",
      {
        what: "The database does not exist.",
        why: `The PostgreSQL server at ${where} has none of that name.`,
        fix: "Make it with `createdb`, owned by the user that Belfry connects as, or correct its name.",
      },
      { cause },
    ),
  forbidden: (where: string, cause: unknown) =>
    new BelfryError(
      "BELFRY_POSTGRES_FORBIDDEN",
      {
        what: "The database cannot be prepared.",
        why: `The PostgreSQL server at ${where} does not let this user make tables there.`,
        fix: "Make the user the owner of the database, or GRANT it CREATE and USAGE on the schema.",
      },
      { cause },
    ),
  readOnlyServer: (where: string, cause?: unknown) =>
    new BelfryError(
      "BELFRY_POSTGRES_STANDBY",
      {
        what: "The database cannot be written.",
        why: `The PostgreSQL server at ${where} is a standby: it only follows another one.`,
        fix: "Give the address of the primary server.",
      },
      { cause },
    ),
  tooOld: (version: number) =>
    new BelfryError("BELFRY_POSTGRES_TOO_OLD", {
      what: "This PostgreSQL server is too old.",
      why: `It is version ${Math.floor(version / 10_000)}; Belfry needs 13 or newer.`,
      fix: "Upgrade the server.",
    }),
  failed: (where: string, cause: unknown) =>
    new BelfryError(
      "BELFRY_POSTGRES_FAILED",
      {
        what: `The PostgreSQL server at ${where} cannot be used.`,
        why: "Connecting to it failed; the cause is in the master's log.",
        fix: "Check the address, its options (such as sslmode), and the server's log.",
      },
      { cause },
    ),
  readsOnly: () =>
    new BelfryError("BELFRY_POSTGRES_READS_ONLY", {
      what: "This process does not write the database.",
      why: "It was started to read only.",
      fix: "Ask a master that has the engine.",
    }),
  closed: () =>
    new BelfryError("BELFRY_POSTGRES_CLOSED", {
      what: "The database is closed.",
      why: "The master is stopping or has stopped.",
      fix: "Nothing to do.",
    }),
  slow: (limit: number) =>
    new BelfryError("BELFRY_TRANSACTION_SLOW", {
      what: `A transaction was taken back because nothing happened in it for ${limit / 1_000} s.`,
      why: "It awaited something else than its own statements, and held its locks meanwhile.",
      fix: "Await clocks, files, the network and user code before `write`, not inside it.",
    }),
  commitUnknown: (where: string, cause: unknown) =>
    new BelfryError(
      "BELFRY_COMMIT_UNKNOWN",
      {
        what: "It is not known whether a transaction was committed.",
        why: `The PostgreSQL server at ${where} went away during the commit, and could not be asked about it since.`,
        fix: "Once the server is back, read what was to be written before writing it again.",
      },
      { cause },
    ),
};
