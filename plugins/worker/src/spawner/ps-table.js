import { execFile } from "node:child_process";
import { family } from "./process-table.js";

/**
 * @typedef {import("./process-table.js").Question} Question
 * @typedef {import("./process-table.js").Answer} Answer
 * @typedef {import("./process-table.js").Process} Process
 */

/** `ps` with the environment behind the command; Apple's wants another letter for it. */
const ARGUMENTS = process.platform === "darwin" ? ["-axEww"] : ["axeww"];

/**
 * Finds processes where there is no Linux /proc, by asking `ps`. Slower, and blind to the
 * environment of programs that the system protects: those are found by group and descent only.
 */
export class PsTable {
  /**
   * @param {Question} question
   * @returns {Promise<Answer>}
   */
  find({ root = 0, marked, skip, known }) {
    return new Promise((resolve) => {
      const options = { maxBuffer: 64 * 1024 * 1024, encoding: /** @type {const} */ ("latin1") };
      execFile("ps", [...ARGUMENTS, "-o", "pid=,ppid=,pgid=,stat=,command="], options, (_error, stdout) => {
        /** @type {Process[]} */
        const all = [];
        for (const line of stdout.split("\n")) {
          const match = /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\S+)\s(.*)$/.exec(line);
          if (match === null || match[4]?.startsWith("Z")) continue;
          const pid = Number(match[1]);
          if (pid === process.pid || pid === root || skip.has(pid)) continue;
          const text = Buffer.from(match[5] ?? "", "latin1");
          all.push({ pid, parent: Number(match[2]), group: Number(match[3]), session: 0, marked: marked(text) });
        }
        resolve({ pids: family(all, root, known), unsure: false });
      });
    });
  }

  /** Unknown here; a live process with the number counts as the same one.
   * @param {number} pid */
  startOf(pid) {
    try {
      process.kill(pid, 0);
      return "0";
    } catch {
      return undefined;
    }
  }
}
