import { execFile } from "node:child_process";
import { access, constants, stat, statfs } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { SocketClient } from "../../api/socket-client.ts";
import { loadConfigFile } from "../../config/load.ts";
import { lockHolder } from "../../engine/state-lock.ts";
import { systemClock } from "../../engine/system-clock.ts";
import { BelfryError, messageOf } from "../../errors/belfry-error.ts";
import type { Master } from "../../master.ts";
import { damage } from "../../store/damage.ts";
import { Store } from "../../store/store.ts";
import type { CliCommand } from "../cli-command.ts";
import { EXIT } from "../exit-code.ts";
import { oneLine } from "../plain-text.ts";
import type { Session } from "../session.ts";

interface Finding {
  what: string;
  state: "good" | "warning" | "bad";
  text: string;
}

const LEAST_SPACE = 1e9;
const MOST_DRIFT = 2_000;
const PATIENCE = 10_000;
const run = promisify(execFile);

/** `belfry doctor`: looks at everything that a master stands on. */
const doctor: CliCommand = {
  name: "doctor",
  summary: "look at what a master stands on, and say what to do about what is wrong",
  define: () => undefined,
  async run(session) {
    const findings: Finding[] = [];
    const look = async (what: string, check: () => Promise<Omit<Finding, "what"> | string>) => {
      let found: Omit<Finding, "what"> | string;
      try {
        found = await check();
      } catch (error) {
        session.signal.throwIfAborted();
        found = {
          state: "bad",
          text: BelfryError.is(error) ? `${error.what} ${error.why} ${error.fix}` : messageOf(error),
        };
      }
      findings.push({ what, ...(typeof found === "string" ? { state: "good", text: found } : found) });
    };
    let master: Master | undefined;
    await look("node", async () => `${process.version} at ${process.execPath}`);
    await look("git", git);
    await look("configuration", async () => {
      const { file, folder, value } = await loadConfigFile(session.configFile);
      const { Master } = await import("../../master.ts");
      master = new Master(value, { folder, stateFolder: session.stateFolder });
      return file;
    });
    if (master) {
      const { plugins } = master.registry;
      await look("plugins", async () =>
        plugins
          .map(({ plugin }) => `${plugin.name}${plugin.version === undefined ? "" : ` ${plugin.version}`}`)
          .join(", "),
      );
    }
    await look("state folder", () => stateFolder(session));
    await look("disk", () => disk(session));
    const holder = await lockHolder(session.stateFolder);
    if (holder !== undefined) await look("master", () => running(session, holder));
    else if (master) {
      const { generation } = master;
      await look("database", () => database(session, generation));
    }
    if (holder === undefined) await look("master", async () => "none runs here");
    const bad = findings.some(({ state }) => state === "bad");
    session.print({ ok: !bad, findings: findings.map((finding) => ({ ...finding })) }, () => {
      const { paint } = session.out;
      const colour = { good: paint.green, warning: paint.yellow, bad: paint.red };
      return findings.map(
        ({ what, state, text }) => `${colour[state](state.padEnd(7))} ${what}: ${oneLine(text, 1_000)}`,
      );
    });
    return bad ? EXIT.bad : EXIT.fine;
  },
};

export default doctor;

async function git(): Promise<Omit<Finding, "what"> | string> {
  try {
    const { stdout } = await run("git", ["--version"], { timeout: PATIENCE });
    return stdout.trim();
  } catch (error) {
    return { state: "warning", text: `it cannot be run (${messageOf(error)}); sources and checkouts of git need it` };
  }
}

async function stateFolder({ stateFolder: folder }: Session): Promise<Omit<Finding, "what"> | string> {
  const facts = await stat(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
    return undefined;
  });
  if (!facts) return `${folder} is made at the first start`;
  await access(folder, constants.R_OK | constants.W_OK | constants.X_OK);
  const mode = facts.mode & 0o777;
  if ((mode & 0o077) === 0) return folder;
  return { state: "warning", text: `${folder} can be read by other users (mode ${mode.toString(8)}): chmod 700 it` };
}

async function disk({ stateFolder: folder }: Session): Promise<Omit<Finding, "what"> | string> {
  let there = folder;
  while (!(await stat(there).catch(() => undefined)) && dirname(there) !== there) there = dirname(there);
  const { bavail, bsize, ffree, files } = await statfs(there);
  const free = bavail * bsize;
  const text = `${(free / 1e9).toFixed(1)} GB are free at ${there}`;
  if (files > 0 && ffree < 1_000)
    return { state: "bad", text: `${text}, but only ${ffree} files can still be made there` };
  return free < LEAST_SPACE
    ? { state: "warning", text: `${text}; logs need more: make room, or set \`retention\`` }
    : text;
}

/** What the running master says of itself. */
async function running({ stateFolder: folder }: Session, holder: number): Promise<Omit<Finding, "what"> | string> {
  const client = await SocketClient.connect(join(folder, "master.sock"));
  try {
    const { troubles } = (await client.call("master.ready", {})) as { troubles: string[] };
    const who = `process ${holder} runs here`;
    return troubles.length === 0 ? `${who} and is ready` : { state: "bad", text: `${who}, but ${troubles.join(", ")}` };
  } finally {
    client.close();
  }
}

async function database(
  session: Session,
  { database: { part } }: Master["generation"],
): Promise<Omit<Finding, "what"> | string> {
  const there = await stat(session.stateFolder).catch(() => undefined);
  if (!there) return "is made at the first start";
  const connection = await part.open({
    folder: session.stateFolder,
    signal: session.signal,
    note: () => undefined,
    readOnly: false,
  });
  const store = new Store(connection, systemClock);
  try {
    const { unknown, pending } = await store.migrations();
    if (unknown.length > 0) return { state: "bad", text: `a newer Belfry made it: ${unknown.join(", ")}` };
    const drift = (await store.databaseNow()) - Date.now();
    if (Math.abs(drift) > MOST_DRIFT) {
      const seconds = Math.round(drift / 1_000);
      return { state: "warning", text: `its clock and that of this machine differ by ${seconds} s: set both by NTP` };
    }
    if (pending.length > 0) return `${store.dialect.name}; ${pending.length} migrations run at the next start`;
    const problems = await damage(connection);
    return problems.length > 0
      ? { state: "bad", text: problems.join("; ") }
      : `${store.dialect.name}, its clock agrees`;
  } finally {
    await store.close();
  }
}
