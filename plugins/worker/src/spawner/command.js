import { spawn } from "node:child_process";
import { accessSync, closeSync, constants, openSync, statSync, unlinkSync } from "node:fs";
import { Ending } from "./ending.js";

/**
 * @typedef {import("../protocol.ts").StartFault} StartFault
 * @typedef {Extract<import("../protocol.ts").ToSpawner, { do: "run" }>} RunMessage
 * @typedef {{ code: number | null, signal: string | null, ended: boolean, left: number }} Exit
 * @typedef {object} Listeners
 * @property {(exit: Exit) => void} exit
 * @property {(code: string, fault: StartFault) => void} failed
 */

/** Never waits for a master that is gone; libuv takes O_NONBLOCK off again in the child. */
const WRITE = constants.O_WRONLY | constants.O_NONBLOCK;
/** @type {ReadonlySet<number>} */
const NONE = new Set();

/** One command: its main process and everything that came from it. */
export class Command {
  pid = 0;
  #alive = false;
  #ended = false;
  #grace;
  #since = performance.now();
  #table;
  #skip;
  #mark;
  #listeners;
  /** @type {Exit | undefined} */
  #exit;
  /** @type {Ending | undefined} */
  #ending;

  /**
   * @param {RunMessage} message
   * @param {Record<string, string>} env
   * @param {string} mark
   * @param {import("./ending.js").Table} table
   * @param {ReadonlySet<number>} skip main processes of all running commands
   * @param {Listeners} listeners
   */
  constructor(message, env, mark, table, skip, listeners) {
    this.#grace = message.grace;
    this.#table = table;
    this.#skip = skip;
    this.#mark = Buffer.from(mark);
    this.#listeners = listeners;
    this.#start(message, env);
  }

  /** SIGTERM to all, SIGKILL after `grace` milliseconds.
   * @param {number} grace */
  end(grace) {
    if (this.#alive) this.#ended = true;
    if (this.#ending) this.#ending.hurry(grace);
    else if (this.#alive) void this.#endAll(grace);
  }

  /**
   * @param {RunMessage} message
   * @param {Record<string, string>} env
   */
  #start({ argv, cwd, out, err, in: input }, env) {
    /** @type {number[]} */
    const files = [];
    try {
      if (input === null) files.push(openSync("/dev/null", constants.O_RDONLY));
      else {
        files.push(openSync(input, constants.O_RDONLY));
        unlinkSync(input);
      }
      files.push(openSync(out, WRITE));
      files.push(openSync(err, WRITE));
    } catch (error) {
      const { code } = /** @type {NodeJS.ErrnoException} */ (error);
      setImmediate(() => this.#listeners.failed(code ?? "UNKNOWN", "pipes"));
      for (const file of files) closeSync(file);
      return;
    }
    const [program = "", ...args] = argv;
    try {
      const child = spawn(program, args, { cwd, env, detached: true, stdio: files });
      child.on("error", (error) => this.#fail(error, cwd));
      child.on("exit", (code, signal) => this.#exited(code, signal));
      this.pid = child.pid ?? 0;
      this.#alive = this.pid > 0;
    } catch (error) {
      setImmediate(() => this.#fail(/** @type {NodeJS.ErrnoException} */ (error), cwd));
    } finally {
      for (const file of files) closeSync(file);
    }
  }

  /**
   * @param {NodeJS.ErrnoException} error
   * @param {string} cwd
   */
  #fail(error, cwd) {
    // Errors of signals to a process that runs arrive here, too; they do not matter.
    if (this.pid > 0) return;
    this.#listeners.failed(error.code ?? "UNKNOWN", faultOf(error, cwd));
  }

  /**
   * @param {number | null} code
   * @param {string | null} signal
   */
  #exited(code, signal) {
    this.#alive = false;
    this.#exit = { code, signal, ended: this.#ended, left: 0 };
    if (this.#ending) return this.#ending.hurry(this.#grace);
    const answer = this.#table.find({ ...this.#question(), known: NONE });
    if (!(answer instanceof Promise) && answer.pids.length === 0 && !answer.unsure)
      return this.#listeners.exit(this.#exit);
    void this.#endAll(this.#grace);
  }

  /** @param {number} grace */
  async #endAll(grace) {
    this.#ending = new Ending(this.#table, this.#question(), () => (this.#alive ? this.pid : 0), grace);
    const left = await this.#ending.run();
    this.#listeners.exit({ ...(this.#exit ?? { code: null, signal: null, ended: true }), left });
  }

  #question() {
    /** @param {Buffer} environment */
    const marked = (environment) => environment.includes(this.#mark);
    return { root: this.pid, since: this.#since, marked, skip: this.#skip };
  }
}

/**
 * @param {NodeJS.ErrnoException} error
 * @param {string} cwd
 * @returns {StartFault}
 */
function faultOf({ code }, cwd) {
  if (code === "E2BIG") return "too-long";
  if (code !== "ENOENT" && code !== "EACCES" && code !== "ENOTDIR") return "system";
  // `spawn` does not say whether the folder or the program was the trouble.
  try {
    if (!statSync(cwd).isDirectory()) return "cwd-no-folder";
    accessSync(cwd, constants.X_OK);
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === "EACCES" ? "cwd-denied" : "cwd-missing";
  }
  return "command";
}
