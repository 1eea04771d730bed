import { closeSync, constants, openSync, unlinkSync } from "node:fs";
import { basename, join } from "node:path";

/**
 * @typedef {import("../protocol.ts").KeptCommand} KeptCommand
 * @typedef {import("../protocol.ts").Exit} Exit
 * @typedef {object} Entry
 * @property {KeptCommand} command
 * @property {number[]} files
 * @property {number} since when `elapsed` and `silent` of the command were true, on the clock of `performance.now`
 */

const READ = constants.O_RDONLY | constants.O_NONBLOCK;

/**
 * Commands whose master is about to be restarted. Their pipes are held open for reading and never read: what is in
 * them stays, and who writes more waits, instead of being ended by a pipe that nobody reads.
 */
export class Keeping {
  /** @type {Map<number, Entry>} */
  #entries = new Map();

  /** @param {number} id */
  has(id) {
    return this.#entries.has(id);
  }

  /** False if the pipes cannot be opened any more.
   * @param {number} id
   * @param {KeptCommand} command */
  keep(id, command) {
    const old = this.#entries.get(id);
    if (old) {
      // An exit had crossed the first message.
      old.command.exit ??= command.exit;
      return true;
    }
    /** @type {number[]} */
    const files = [];
    try {
      for (const path of [command.out, command.err]) files.push(openSync(path, READ));
    } catch {
      for (const file of files) closeSync(file);
      return false;
    }
    this.#entries.set(id, { command, files, since: performance.now() });
    return true;
  }

  /** True if the command is kept: its exit is remembered then.
   * @param {number} id
   * @param {Exit} exit */
  ended(id, exit) {
    const entry = this.#entries.get(id);
    if (!entry) return false;
    grow(entry);
    entry.command.exit = exit;
    return true;
  }

  /** Gives a command out of hand; its pipes are let go of.
   * @param {number} id
   * @returns {KeptCommand | undefined} */
  take(id) {
    const entry = this.#entries.get(id);
    if (!entry) return undefined;
    this.#entries.delete(id);
    grow(entry);
    for (const file of entry.files) closeSync(file);
    return entry.command;
  }

  /** Forgets a command for good.
   * @param {number} id
   * @returns {KeptCommand | undefined} */
  drop(id) {
    const command = this.take(id);
    for (const path of command ? [command.out, command.err] : []) {
      try {
        unlinkSync(path);
      } catch {
        // Somebody emptied the folder.
      }
    }
    return command;
  }

  /** The pipes have moved to another folder.
   * @param {string} folder */
  moved(folder) {
    for (const { command } of this.#entries.values()) {
      command.out = join(folder, basename(command.out));
      command.err = join(folder, basename(command.err));
    }
  }

  list() {
    return [...this.#entries].map(([id, { command }]) => ({ id, command }));
  }
}

/** @param {Entry} entry */
function grow({ command, since }) {
  if (command.exit !== null) return;
  command.elapsed += performance.now() - since;
  command.silent += performance.now() - since;
}
