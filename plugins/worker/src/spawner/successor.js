import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * @typedef {import("node:net").Socket} Socket
 * @typedef {import("../protocol.ts").ToSpawner} ToSpawner
 * @typedef {Extract<ToSpawner, { do: "adopt" | "leave" }>} First
 */

/** Nobody who has not shown the token gets to send more than this. */
const LONGEST_HELLO = 4 * 1024 * 1024;

/** Waits for the next process of the master: a socket in a private folder, and a file that tells where it is. */
export class Successor {
  #token = randomUUID();
  /** Short, since a socket's path may not have more than about 100 bytes. */
  #folder = mkdtempSync(join(tmpdir(), "belfry-"));
  #socket = join(this.#folder, "s");
  #server = createServer({ allowHalfOpen: true });
  /** @type {NodeJS.Timeout | undefined} */
  #deadline;
  #release;
  #listeners;

  /**
   * @param {{ keepFor: number, file: string, versions: string }} release
   * @param {{ late: () => void, came: (socket: Socket, first: First, rest: string) => void }} listeners
   */
  constructor(release, listeners) {
    this.#release = release;
    this.#listeners = listeners;
  }

  get keepFor() {
    return this.#release.keepFor;
  }

  /** Resolves when it can be found. */
  async wait() {
    const { keepFor, file, versions } = this.#release;
    this.#server.on("connection", (guest) => this.#listen(guest));
    this.#server.listen(this.#socket);
    await once(this.#server, "listening");
    // A guest that cannot be let in, since open files are short, is no reason to end everything.
    this.#server.on("error", () => {});
    chmodSync(this.#socket, 0o600);
    const draft = `${file}.${process.pid}`;
    const text = JSON.stringify({ versions, pid: process.pid, socket: this.#socket, token: this.#token });
    writeFileSync(draft, text, { mode: 0o600 });
    renameSync(draft, file);
    this.#deadline = setTimeout(this.#listeners.late, Math.min(keepFor, 2 ** 31 - 1));
  }

  /** Waits no longer, and removes what it made. */
  close() {
    clearTimeout(this.#deadline);
    this.#server.close();
    try {
      if (readFileSync(this.#release.file, "utf8").includes(this.#token)) rmSync(this.#release.file);
    } catch {
      // The next master has removed it.
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** @param {Socket} guest */
  #listen(guest) {
    let text = "";
    const hear = (/** @type {string} */ piece) => {
      text += piece;
      const end = text.indexOf("\n");
      if (end < 0 && text.length < LONGEST_HELLO) return;
      guest.off("data", hear);
      guest.off("end", leave);
      const first = this.#check(text.slice(0, end));
      if (first) this.#listeners.came(guest, first, text.slice(end + 1));
      else guest.destroy();
    };
    const leave = () => guest.destroy();
    guest.setEncoding("utf8");
    guest.on("error", () => {});
    guest.on("data", hear);
    guest.on("end", leave);
  }

  /**
   * @param {string} line
   * @returns {First | undefined}
   */
  #check(line) {
    try {
      /** @type {First} */
      const first = JSON.parse(line);
      if ((first.do === "adopt" || first.do === "leave") && first.token === this.#token) return first;
    } catch {
      // Not ours.
    }
    return undefined;
  }
}
