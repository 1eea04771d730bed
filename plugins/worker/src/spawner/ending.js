/**
 * @typedef {import("./process-table.js").Question} Question
 * @typedef {import("./process-table.js").Answer} Answer
 * @typedef {object} Table
 * @property {(question: Question) => Answer | Promise<Answer>} find
 * @property {(pid: number) => string | undefined} startOf
 */

/** Milliseconds after SIGKILL at which a process that is still there is given up. */
const GIVE_UP = 5_000;

/**
 * Ends a family of processes: SIGTERM once to each, and SIGKILL to what is left when the time is over.
 * Looks again until there is nothing to be found.
 */
export class Ending {
  /** @type {Set<number>} */
  #known = new Set();
  /** @type {Set<number>} */
  #asked = new Set();
  #killAt;
  #table;
  #question;
  #main;
  /** @type {() => void} */
  #wake = () => {};

  /**
   * @param {Table} table
   * @param {Omit<Question, "known">} question
   * @param {() => number} main the main process while it is alive and not yet collected, else 0
   * @param {number} grace
   */
  constructor(table, question, main, grace) {
    this.#table = table;
    this.#question = question;
    this.#main = main;
    this.#killAt = performance.now() + grace;
  }

  /** How many processes were found in all. */
  get count() {
    return this.#known.size;
  }

  /** Shortens the time that is left. Looks again at once.
   * @param {number} grace */
  hurry(grace) {
    this.#killAt = Math.min(this.#killAt, performance.now() + grace);
    this.#wake();
  }

  /** Resolves with the number of processes that could not be ended. */
  async run() {
    let pause = 1;
    let doubts = 0;
    for (;;) {
      const { pids, unsure } = await this.#table.find({ ...this.#question, known: this.#known });
      const main = this.#main();
      if (main > 0) pids.push(main);
      if (pids.length === 0 && (!unsure || ++doubts > 3)) return 0;
      const now = performance.now();
      const signal = now >= this.#killAt ? "SIGKILL" : "SIGTERM";
      if (now >= this.#killAt + GIVE_UP) return pids.length;
      this.#send(pids, main, signal);
      const rest = Math.max(1, now < this.#killAt ? Math.min(pause, this.#killAt - now) : pause);
      await this.#sleep(rest);
      pause = Math.min(pause * 2, 50);
    }
  }

  /**
   * @param {number[]} pids
   * @param {number} main
   * @param {"SIGTERM" | "SIGKILL"} signal
   */
  #send(pids, main, signal) {
    // The whole group at one moment, so that nothing slips away by forking.
    if (main > 0 && (signal === "SIGKILL" || !this.#asked.has(main))) kill(-main, signal);
    for (const pid of pids) {
      if (pid !== main) this.#known.add(pid);
      if (signal === "SIGTERM" && this.#asked.has(pid)) continue;
      this.#asked.add(pid);
      if (pid !== main) kill(pid, signal);
    }
  }

  /** @param {number} delay */
  #sleep(delay) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, delay);
      this.#wake = () => {
        clearTimeout(timer);
        resolve(undefined);
      };
    });
  }
}

/**
 * @param {number} pid
 * @param {"SIGTERM" | "SIGKILL"} signal
 */
function kill(pid, signal) {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended by itself, or belongs to another user: the next look shows which.
  }
}
