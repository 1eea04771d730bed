import { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync } from "node:fs";

/**
 * @typedef {object} Process
 * @property {number} pid
 * @property {number} parent
 * @property {number} group
 * @property {number} session
 * @property {boolean} marked
 *
 * @typedef {object} Question
 * @property {number} [root] the main process of a command; its group and session are searched, too
 * @property {number} [since] when the main process was started, on the clock of `performance.now`
 * @property {(environment: Buffer) => boolean} marked
 * @property {ReadonlySet<number>} skip processes known to be something else
 * @property {ReadonlySet<number>} known processes found before; they may have ended since
 *
 * @typedef {object} Answer
 * @property {number[]} pids
 * @property {boolean} unsure true if a process was in the middle of an `exec` and has to be asked again
 */

const KERNEL_THREAD = 0x0020_0000;
/** No machine starts processes faster than this (a second), so younger commands have not seen the numbers wrap. */
const FASTEST = 50_000;
/** Up to this many process numbers are cheaper to try than to list. */
const FEW = 256;

/**
 * Finds the live processes of a command in /proc: by its marker in their environment, by its process
 * group and session, and by descent from processes found so.
 *
 * Asked after every command, so the usual answer, nothing, has to be cheap: a descendant has a higher
 * number than the command's main process, and `/proc/loadavg` tells the number given out last.
 */
export class ProcessTable {
  #buffer = Buffer.allocUnsafeSlow(256 * 1024);
  #loadavg = openSync("/proc/loadavg", "r");
  #numbers = Number(readFileSync("/proc/sys/kernel/pid_max", "utf8"));

  /** True where this kind of /proc exists. */
  static usable() {
    return existsSync("/proc/self/environ") && existsSync("/proc/loadavg") && existsSync("/proc/sys/kernel/pid_max");
  }

  /**
   * @param {Question} question
   * @returns {Answer}
   */
  find(question) {
    const { root = 0, since = 0, marked, skip, known } = question;
    const young = root > 0 && performance.now() - since < (this.#numbers / FASTEST) * 1_000;
    /** @type {Map<number, Process>} */
    const seen = new Map();
    let unsure = false;
    /** @param {number} pid */
    const visit = (pid) => {
      if (pid === process.pid || pid === root || skip.has(pid) || seen.has(pid)) return;
      const found = this.#look(pid, marked);
      if (found === undefined) return;
      seen.set(pid, found);
      if (found.unsure) unsure = true;
    };

    // A process may fork and end while it is looked for, so look again until no number was given out meanwhile.
    let last = this.#lastNumber();
    if (young && last >= root && last - root <= FEW) this.#visitRange(root + 1, last, visit);
    else this.#visitAll(young && last >= root ? root : 0, visit);
    for (let round = 0; round < 50; round++) {
      const now = this.#lastNumber();
      if (now === last && now !== 0) break;
      if (now > last && now - last <= 16 * FEW) this.#visitRange(last + 1, now, visit);
      else this.#visitAll(0, visit);
      if (now === 0 && round > 0) break;
      last = now;
    }
    return { pids: family([...seen.values()], root, known), unsure };
  }

  /** When a process was started, in ticks since the machine was; `undefined` if there is none, or it has ended and nobody has collected it.
   * @param {number} pid */
  startOf(pid) {
    const stat = this.#stat(pid);
    return stat?.state === "Z" ? undefined : stat?.start;
  }

  /** The number given out last, or 0 where the system does not tell. */
  #lastNumber() {
    const length = readSync(this.#loadavg, this.#buffer, 0, 128, 0);
    const text = this.#buffer.toString("latin1", 0, length);
    return Number(text.slice(text.lastIndexOf(" ") + 1)) || 0;
  }

  /**
   * @param {number} from
   * @param {number} to
   * @param {(pid: number) => void} visit
   */
  #visitRange(from, to, visit) {
    for (let pid = from; pid <= to; pid++) if (existsSync(`/proc/${pid}`)) visit(pid);
  }

  /**
   * @param {number} above
   * @param {(pid: number) => void} visit
   */
  #visitAll(above, visit) {
    for (const name of readdirSync("/proc")) {
      const pid = Number(name);
      if (pid > above) visit(pid);
    }
  }

  /**
   * @param {number} pid
   * @param {(environment: Buffer) => boolean} marked
   * @returns {Process & { unsure: boolean } | undefined}
   */
  #look(pid, marked) {
    const stat = this.#stat(pid);
    if (stat === undefined || stat.state === "Z" || stat.state === "X" || stat.flags & KERNEL_THREAD) return undefined;
    const length = this.#read(`/proc/${pid}/environ`);
    const { parent, group, session } = stat;
    const known = length > 0 && marked(this.#buffer.subarray(0, length));
    // Empty: a process without environment, or one for which `exec` has not written it yet.
    const unsure = length === 0 && this.#stat(pid)?.state === "R";
    return { pid, parent, group, session, marked: known, unsure };
  }

  /** @param {number} pid */
  #stat(pid) {
    const length = this.#read(`/proc/${pid}/stat`);
    if (length <= 0) return undefined;
    const text = this.#buffer.toString("latin1", 0, length);
    // The program's name may hold blanks and brackets; everything else comes after its last bracket.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return {
      state: fields[0],
      parent: Number(fields[1]),
      group: Number(fields[2]),
      session: Number(fields[3]),
      flags: Number(fields[6]),
      start: fields[19],
    };
  }

  /** Reads a whole file into the buffer; -1 if that cannot be done.
   * @param {string} path */
  #read(path) {
    let file = -1;
    try {
      file = openSync(path, "r");
      let length = 0;
      for (;;) {
        const more = readSync(file, this.#buffer, length, this.#buffer.length - length, null);
        if (more === 0) return length;
        length += more;
        if (length === this.#buffer.length) this.#buffer = Buffer.concat([this.#buffer], length * 2);
      }
    } catch {
      return -1;
    } finally {
      if (file >= 0) closeSync(file);
    }
  }
}

/**
 * Those of the processes that belong to the root or carry the mark, and their kin: a program may
 * overwrite its environment to show a title, but its children stay in its session or have it as parent.
 * @param {Process[]} all
 * @param {number} root
 * @param {ReadonlySet<number>} known
 * @returns {number[]}
 */
export function family(all, root, known) {
  const kin = new Set(known);
  if (root > 0) kin.add(root);
  /** @type {Set<number>} */
  const found = new Set();
  let grown = all.length > 0;
  while (grown) {
    grown = false;
    for (const { pid, parent, group, session, marked } of all) {
      if (found.has(pid)) continue;
      if (!marked && !kin.has(pid) && !kin.has(parent) && !kin.has(group) && !kin.has(session)) continue;
      found.add(pid);
      kin.add(pid);
      grown = true;
    }
  }
  return [...found];
}
