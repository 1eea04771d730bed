import type { Clock } from "belfry";
import { faults } from "./errors.ts";
import type { User } from "./options.ts";
import { hashOfNobody, LONGEST_PASSWORD, verifyPassword } from "./password.ts";
import { Tries } from "./tries.ts";

/** Each takes some 30 MiB and a processor for a while. */
const AT_ONCE = 2;
const MOST_WAITING = 50;

/** Checks passwords: only so many at once, and not for who has guessed too often. */
export class Passwords {
  readonly #users: ReadonlyMap<string, User>;
  readonly #nobody: string;
  readonly #tries: Tries;
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(users: readonly User[], clock: Clock) {
    this.#users = new Map(users.map((user) => [user.name, user]));
    this.#nobody = hashOfNobody(users[0]?.password);
    this.#tries = new Tries(clock);
  }

  /** The user whose password this is. Throws `BELFRY_AUTH_REFUSED`, `…_TOO_MANY_TRIES` or `…_BUSY`. */
  async check(name: string, password: string, address: string): Promise<User> {
    // Nobody has one here: there is nothing to guess, and no work to be made of trying.
    if (this.#users.size === 0) throw faults.refused();
    if (this.#waiting.length >= MOST_WAITING) throw faults.busy();
    const tried = this.#tries.begin(name.slice(0, 100), address);
    if ("wait" in tried) throw faults.tooMany(tried.wait);
    const user = this.#users.get(name);
    const isLong = password.length > LONGEST_PASSWORD;
    const fits = await this.#inTurn(() => verifyPassword(isLong ? "" : password, user?.password ?? this.#nobody));
    if (!fits || isLong || user === undefined) throw faults.refused();
    tried.succeeded();
    return user;
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= AT_ONCE) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running += 1;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}
