import type { Clock } from "belfry";

/** How many failures are borne within the window: of an address, of a user from one address, of a user from anywhere. */
const MOST = { address: 30, pair: 5, user: 60 };
const WINDOW = 600_000;
const MOST_KEPT = 20_000;

interface Failures {
  count: number;
  /** When they are forgotten. */
  until: number;
}

/**
 * Counts tries that failed, so that nobody can guess on and on. Who is locked out by somebody else's tries is so at
 * his own address only, but for very many. Kept in memory: each process counts for itself.
 */
export class Tries {
  readonly #clock: Clock;
  readonly #failures = new Map<string, Failures>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Counts a try, as if it failed, and returns how to take that back; or the milliseconds to wait until the next one.
   * Counted before it is known how it ends: many at once are not more than many one after the other.
   */
  begin(user: string, address: string): { succeeded(): void } | { wait: number } {
    const now = this.#clock.now();
    const keys = keysOf(user, address);
    const wait = Math.max(
      0,
      ...keys.map(([key, most]) => {
        const known = this.#current(key, now);
        return known !== undefined && known.count >= most ? known.until - now : 0;
      }),
    );
    if (wait > 0) return { wait };
    for (const [key] of keys) {
      const known = this.#current(key, now) ?? { count: 0, until: now + WINDOW };
      known.count += 1;
      this.#failures.delete(key);
      this.#failures.set(key, known);
    }
    for (const oldest of this.#failures.keys()) {
      if (this.#failures.size <= MOST_KEPT) break;
      this.#failures.delete(oldest);
    }
    return {
      succeeded: () => {
        for (const [key] of keys) {
          const known = this.#failures.get(key);
          if (known !== undefined) known.count -= 1;
        }
        // Whoever knows the password is not guessing it.
        this.#failures.delete(pairKey(user, address));
      },
    };
  }

  #current(key: string, now: number): Failures | undefined {
    const known = this.#failures.get(key);
    return known !== undefined && known.until > now ? known : undefined;
  }
}

const pairKey = (user: string, address: string) => JSON.stringify([user, networkOf(address)]);

function keysOf(user: string, address: string): [key: string, most: number][] {
  return [
    [JSON.stringify([networkOf(address)]), MOST.address],
    [pairKey(user, address), MOST.pair],
    [JSON.stringify({ user }), MOST.user],
  ];
}

/** One client has as many addresses of IPv6 as it likes, all with the same beginning. */
function networkOf(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, "");
  if (!plain.includes(":")) return plain;
  // "::" stands for as many zeros as are missing.
  const [before = "", after = ""] = plain.split("%", 1).join("").toLowerCase().split("::");
  const [first, last] = [before, after].map((part) => part.split(":").filter((group) => group !== ""));
  const zeros = Array.from({ length: Math.max(0, 8 - (first?.length ?? 0) - (last?.length ?? 0)) }, () => "0");
  return [...(first ?? []), ...zeros, ...(last ?? [])].slice(0, 4).join(":");
}
