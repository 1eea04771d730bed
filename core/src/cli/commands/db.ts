import { loadConfigFile } from "../../config/load.ts";
import { lockHolder, lockState } from "../../engine/state-lock.ts";
import { systemClock } from "../../engine/system-clock.ts";
import { faults } from "../../errors/catalogue.ts";
import type { DatabaseConnection } from "../../interfaces/database.ts";
import { damage } from "../../store/damage.ts";
import { type MigrationState, Store } from "../../store/store.ts";
import { backup } from "../backup.ts";
import { cleanup, cleanupByMaster } from "../cleanup.ts";
import type { CliCommand } from "../cli-command.ts";
import { copy } from "../copy.ts";
import { EXIT } from "../exit-code.ts";
import { oneLine } from "../plain-text.ts";
import type { Session } from "../session.ts";

const ACTIONS = ["upgrade", "check", "cleanup", "copy", "backup"];

/**
 * `belfry db upgrade|check|cleanup|copy|backup`: the database itself, while no master uses it; a cleanup is left to one
 * that does, and a backup only reads.
 */
const db: CliCommand = {
  name: "db",
  refusal: EXIT.unusable,
  summary: "upgrade, check, copy or back up the database, or remove old history from it",
  define: (command) => {
    command
      .argument("<action>", "upgrade, check, cleanup, copy or backup")
      .argument("[file]", "copy: the configuration that has the other database; backup: the file to write")
      .option("--dry-run", "with cleanup: only tell what would be removed");
  },
  async run(session, [action, file], { dryRun }) {
    if (!ACTIONS.includes(String(action))) throw faults.usage(`\`belfry db\` needs one of: ${ACTIONS.join(", ")}.`);
    const takesFile = action === "copy" || action === "backup";
    if (takesFile !== (file !== undefined))
      throw faults.usage(
        takesFile ? `\`belfry db ${action}\` needs a file.` : `\`belfry db ${action}\` takes no file.`,
      );
    if (dryRun && action !== "cleanup") throw faults.usage("--dry-run goes with `belfry db cleanup`.");
    if (action === "cleanup" && (await lockHolder(session.stateFolder)) !== undefined) {
      return cleanupByMaster(session, dryRun === true);
    }
    if (action === "backup") return backup(session, String(file));
    if (action === "copy") return copy(session, String(file));
    const { value, folder } = await loadConfigFile(session.configFile);
    const { Master } = await import("../../master.ts");
    const { generation } = new Master(value, { folder, stateFolder: session.stateFolder });
    const holder = await lockHolder(session.stateFolder);
    if (holder !== undefined) throw faults.databaseInUse(holder);
    const unlock = await lockState(session.stateFolder, generation.masterName);
    try {
      const connection = await generation.database.part.open({
        folder: session.stateFolder,
        signal: session.signal,
        note: (message) => session.err.line(oneLine(message)),
        readOnly: false,
      });
      const store = new Store(connection, systemClock);
      try {
        if (action === "cleanup") return await cleanup(session, store, generation, dryRun === true);
        return await (action === "upgrade" ? upgrade(session, store) : check(session, store, connection));
      } finally {
        await store.close();
      }
    } finally {
      await unlock();
    }
  },
};

export default db;

async function upgrade(session: Session, store: Store): Promise<number> {
  const before = await store.migrations();
  const after = await store.migrate();
  session.print({ ran: before.pending, applied: after.applied }, () =>
    before.pending.length === 0
      ? ["The database is up to date."]
      : [...before.pending.map((name) => `${name}: done`), "The database is up to date now."],
  );
  return EXIT.fine;
}

async function check(session: Session, store: Store, connection: DatabaseConnection): Promise<number> {
  const migrations = await store.migrations();
  const problems = await problemsOf(migrations, connection);
  const good = problems.length === 0;
  session.print({ ok: good, ...migrations, problems }, () => [
    `applied: ${migrations.applied.join(", ") || "none"}`,
    `pending: ${migrations.pending.join(", ") || "none"}`,
    ...(migrations.unknown.length > 0 ? [`unknown: ${migrations.unknown.join(", ")}`] : []),
    ...problems.map((problem) => `${session.out.paint.red("problem:")} ${oneLine(problem, 500)}`),
    ...(good ? [session.out.paint.green("The database is good.")] : []),
  ]);
  return good ? EXIT.fine : EXIT.bad;
}

async function problemsOf(
  { applied, pending, unknown }: MigrationState,
  connection: DatabaseConnection,
): Promise<string[]> {
  const problems: string[] = [];
  if (unknown.length > 0) problems.push(`A newer Belfry made it; this one does not know ${unknown.join(", ")}.`);
  if (pending.length > 0)
    problems.push(
      `${applied.length === 0 ? "It is empty" : "It is older than this Belfry"}: run \`belfry db upgrade\`, or start the master.`,
    );
  if (problems.length > 0) return problems;
  problems.push(...(await damage(connection)));
  const { schemaDifference } = await import("../../store/migrate.ts");
  const difference = await schemaDifference(await connection.orm());
  if (difference !== "") problems.push(`Its tables differ from what they should be: ${difference}`);
  return problems;
}
