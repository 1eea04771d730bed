// Starts commands for a master and ends them. It is JavaScript and small on purpose: a process
// starts others the more slowly the more memory it has, and stripping types would add a third.
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { Socket } from "node:net";
import { basename, dirname, join } from "node:path";
import { Command } from "./command.js";
import { Ending } from "./ending.js";
import { Keeping } from "./keeping.js";
import { ProcessTable } from "./process-table.js";
import { PsTable } from "./ps-table.js";
import { Successor } from "./successor.js";

/**
 * @typedef {import("../protocol.ts").ToSpawner} ToSpawner
 * @typedef {import("../protocol.ts").FromSpawner} FromSpawner
 * @typedef {import("../protocol.ts").SweepScope} SweepScope
 */

/** Milliseconds between SIGTERM and SIGKILL when the master is gone. */
const ORPHAN_GRACE = 1_000;
/** Milliseconds after which a command's output is worth watching. */
const YOUNG = 3;
const MARKER_VARIABLE = "BELFRY_SESSION";
const CALL_VARIABLE = "BELFRY_CALL";

Error.stackTraceLimit = 0;
// The master decides when to stop, also when a terminal or a service manager signals everybody.
for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"])) process.on(signal, () => {});

const table = ProcessTable.usable() ? new ProcessTable() : new PsTable();
const self = `${process.pid}-${table.startOf(process.pid)}`;
const keeping = new Keeping();
let channel = new Socket({ fd: 3 });
/** @type {Successor | undefined} */
let successor;
/** True while the master may go, since another one is to come. */
let released = false;
/** @type {Map<number, Command>} */
const commands = new Map();
/** @type {Set<number>} */
const mains = new Set();
/** @type {Record<string, string>} */
let environment = {};
let outerMark = "";
let folder = "";
let spare = "";
let pipesMade = 0;
let highest = 0;
let leaving = false;
/** @type {number[]} */
let young = [];
/** @type {number[]} */
let younger = [];

/** @type {string[]} */
let lines = [];
/** @param {FromSpawner} message */
function say(message) {
  if (lines.push(JSON.stringify(message)) === 1) setImmediate(flush);
}

function flush() {
  const text = `${lines.join("\n")}\n`;
  lines = [];
  if (channel.writable) channel.write(text);
}

/** @param {Extract<ToSpawner, { do: "hello" }>} message */
async function hello(message) {
  takeEnvironment(message.env);
  folder = message.folder;
  spare = message.spare;
  let { paths, error } = await makePipes(message.pipes);
  if (error !== null) {
    folder = spare;
    ({ paths, error } = await makePipes(message.pipes));
  }
  if (error !== null) say({ say: "unable", code: error.code, message: error.message });
  else say({ say: "ready", folder, paths });
}

/** @param {Record<string, string>} env */
function takeEnvironment(env) {
  environment = env;
  const outer = environment[MARKER_VARIABLE];
  outerMark = outer ? `${outer} ` : "";
}

/**
 * @param {number} count
 * @returns {Promise<{ paths: string[], error: { code: string, message: string } | null }>}
 */
function makePipes(count) {
  const paths = Array.from({ length: count }, () => join(folder, String(pipesMade++)));
  return new Promise((resolve) => {
    /** @param {{ code?: unknown, message: string } | null} error */
    const done = (error) => {
      if (error) resolve({ paths: [], error: { code: String(error.code ?? "UNKNOWN"), message: error.message } });
      else resolve({ paths, error: null });
    };
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      execFile("mkfifo", ["-m", "600", ...paths], done);
    } catch (error) {
      done(/** @type {Error} */ (error));
    }
  });
}

/** @param {Extract<ToSpawner, { do: "run" }>} message */
function run(message) {
  const { id } = message;
  highest = Math.max(highest, id);
  const mark = `${message.mark}${self}.${id};`;
  const env = { ...environment };
  for (const [name, value] of Object.entries(message.env)) {
    if (value === null) delete env[name];
    else env[name] = value;
  }
  env[MARKER_VARIABLE] = outerMark + mark;
  env[CALL_VARIABLE] = message.call;
  const command = new Command(message, env, mark, table, mains, {
    exit: (exit) => {
      if (!keeping.ended(id, exit)) say({ say: "exit", id, ...exit });
      forget(id, command.pid);
    },
    failed: (code, fault) => {
      // Nobody resumes what never began.
      if (!keeping.drop(id)) say({ say: "failed", id, code, fault });
      forget(id, command.pid);
    },
  });
  commands.set(id, command);
  if (command.pid > 0) mains.add(command.pid);
  if (younger.push(id) === 1 && young.length === 0) setTimeout(grow, YOUNG);
}

/** Tells which commands still run after a while. */
function grow() {
  const ids = young.filter((id) => commands.has(id));
  if (ids.length > 0) say({ say: "started", ids });
  young = younger;
  younger = [];
  if (young.length > 0) setTimeout(grow, YOUNG);
}

/**
 * @param {number} id
 * @param {number} pid
 */
function forget(id, pid) {
  commands.delete(id);
  mains.delete(pid);
  if (leaving && commands.size === 0) leave();
}

/** @param {Extract<ToSpawner, { do: "sweep" }>} message */
async function sweep({ id, scope, grace }) {
  const none = /** @type {ReadonlySet<number>} */ (new Set());
  const ending = new Ending(table, { marked: markedBy(scope), skip: none }, () => 0, grace);
  const left = await ending.run();
  say({ say: "swept", id, ended: ending.count - left, left });
}

/**
 * @param {SweepScope} scope
 * @returns {(environment: Buffer) => boolean}
 */
function markedBy({ prefix, orphans }) {
  const wanted = Buffer.from(prefix);
  if (!orphans) return (environment) => environment.includes(wanted);
  return (environment) => {
    /** @type {string[]} */
    const spawners = [];
    for (let at = environment.indexOf(wanted); at >= 0; at = environment.indexOf(wanted, at + 1)) {
      const mark = environment.toString("latin1", at, at + 200).split(";", 1)[0] ?? "";
      spawners.push(mark.split(".")[2] ?? "");
    }
    // Only now, since asking for a start overwrites the environment.
    return spawners.some((spawner) => {
      const [pid, start] = spawner.split("-");
      return pid !== undefined && table.startOf(Number(pid)) !== start;
    });
  };
}

/** @param {Extract<ToSpawner, { do: "resume" }>} message */
function resume({ id }) {
  const command = keeping.take(id);
  if (!command) return say({ say: "failed", id, code: "ENOENT", fault: "pipes" });
  const { exit, elapsed, silent } = command;
  say({ say: "resumed", id, exit, elapsed, silent });
}

/** @param {Extract<ToSpawner, { do: "drop" }>} message */
function drop({ id, grace }) {
  const exit = keeping.drop(id)?.exit;
  const command = commands.get(id);
  if (command) command.end(grace);
  else say({ say: "exit", id, ...(exit ?? { code: null, signal: null, ended: true, left: 0 }) });
}

/** @param {Extract<ToSpawner, { do: "release" }>} message */
async function release(message) {
  for (const [id, command] of commands) if (!keeping.has(id)) command.end(ORPHAN_GRACE);
  try {
    const kept = new Set(keeping.list().flatMap(({ command }) => [basename(command.out), basename(command.err)]));
    for (const name of readdirSync(folder)) if (!kept.has(name)) rmSync(join(folder, name), { force: true });
    if (folder !== spare) {
      // Named by a process that lives, so that nobody takes it for a dead master's.
      const moved = join(dirname(folder), `${process.pid}-${randomUUID().slice(0, 8)}`);
      renameSync(folder, moved);
      folder = moved;
      keeping.moved(folder);
    }
    successor = new Successor(message, { late: masterGone, came: adopt });
    await successor.wait();
    released = true;
    say({ say: "released", error: null });
  } catch (error) {
    say({ say: "released", error: /** @type {Error} */ (error).message });
  }
}

/**
 * @param {Socket} socket
 * @param {Extract<ToSpawner, { do: "adopt" | "leave" }>} first
 * @param {string} more
 */
function adopt(socket, first, more) {
  if (leaving || !successor) return socket.destroy();
  const { keepFor } = successor;
  successor.close();
  successor = undefined;
  released = false;
  channel.destroy();
  channel = socket;
  listen(more);
  if (first.do === "leave") return masterGone();
  takeEnvironment(first.env);
  void makePipes(first.pipes).then(({ paths, error }) => {
    if (error !== null) return say({ say: "unable", code: error.code, message: error.message });
    say({ say: "adopted", nextId: highest + 1, keepFor, kept: keeping.list() });
    say({ say: "ready", folder, paths });
  });
}

/** @param {ToSpawner} message */
function handle(message) {
  switch (message.do) {
    case "run":
      return run(message);
    case "end":
      return commands.get(message.id)?.end(message.grace);
    case "pipes":
      return void makePipes(message.count).then(({ paths, error }) =>
        say({ say: "pipes", paths, error: error?.message ?? null }),
      );
    case "sweep":
      return void sweep(message);
    case "hello":
      return void hello(message);
    case "keep":
      return say({ say: "kept", id: message.id, kept: keeping.keep(message.id, message.command) });
    case "resume":
      return resume(message);
    case "drop":
      return drop(message);
    case "release":
      return void release(message);
  }
}

function masterGone() {
  if (leaving) return;
  leaving = true;
  for (const command of commands.values()) command.end(ORPHAN_GRACE);
  if (commands.size === 0) leave();
}

function leave() {
  successor?.close();
  if (folder !== "") rmSync(folder, { recursive: true, force: true });
  process.exit(0);
}

/** Listens to the master on the channel, which has given `rest` already. */
function listen(rest = "") {
  const mine = channel;
  const hear = (/** @type {string} */ text) => {
    const parts = (rest + text).split("\n");
    rest = parts.pop() ?? "";
    for (const part of parts) handle(JSON.parse(part));
  };
  const gone = () => {
    if (mine === channel && !released) masterGone();
  };
  mine.on("data", hear);
  mine.on("error", gone);
  mine.on("close", gone);
  mine.on("end", gone);
  if (rest !== "") hear("");
}

channel.setEncoding("utf8");
listen();
