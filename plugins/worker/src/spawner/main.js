// Starts commands for a master and ends them. It is JavaScript and small on purpose: a process
// starts others the more slowly the more memory it has, and stripping types would add a third.
import { execFile } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";
import { Command } from "./command.js";
import { Ending } from "./ending.js";
import { ProcessTable } from "./process-table.js";
import { PsTable } from "./ps-table.js";

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
const channel = new Socket({ fd: 3 });
/** @type {Map<number, Command>} */
const commands = new Map();
/** @type {Set<number>} */
const mains = new Set();
/** @type {Record<string, string>} */
let environment = {};
let outerMark = "";
let folder = "";
let pipesMade = 0;
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
  environment = message.env;
  const outer = environment[MARKER_VARIABLE];
  outerMark = outer ? `${outer} ` : "";
  folder = message.folder;
  let { error } = await makePipes(message.pipes);
  if (error !== null) {
    folder = message.spare;
    ({ error } = await makePipes(message.pipes));
  }
  if (error !== null) say({ say: "unable", code: error.code, message: error.message });
  else say({ say: "ready", pid: process.pid, folder });
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
      forget(id, command.pid);
      say({ say: "exit", id, ...exit });
    },
    failed: (code, fault) => {
      forget(id, command.pid);
      say({ say: "failed", id, code, fault });
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
  }
}

function masterGone() {
  if (leaving) return;
  leaving = true;
  for (const command of commands.values()) command.end(ORPHAN_GRACE);
  if (commands.size === 0) leave();
}

function leave() {
  if (folder !== "") rmSync(folder, { recursive: true, force: true });
  process.exit(0);
}

let rest = "";
channel.setEncoding("utf8");
channel.on("data", (/** @type {string} */ text) => {
  const parts = (rest + text).split("\n");
  rest = parts.pop() ?? "";
  for (const part of parts) handle(JSON.parse(part));
});
channel.on("error", masterGone);
channel.on("close", masterGone);
channel.on("end", masterGone);
