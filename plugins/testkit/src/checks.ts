/** One promise of an interface, and how to find out whether somebody keeps it. */
export interface Check {
  /** A sentence about behaviour, with the name of what is checked in front. */
  readonly title: string;
  /** Rejects, with an `AssertionError` where a comparison failed, when the promise is broken. Builds its own world and lets go of it. */
  run(): Promise<void>;
}

/** Registers checks in uvu, `node:test` or anything else whose tests are a title and a function. */
export function runChecks(test: (title: string, run: () => Promise<void>) => unknown, checks: readonly Check[]): void {
  if (checks.length === 0) throw new Error("there are no checks to run");
  for (const check of checks) test(check.title, () => check.run());
}

/** Collects the checks of one contract. */
export class CheckList {
  readonly #name: string;
  readonly checks: Check[] = [];

  constructor(name: string) {
    this.#name = name;
  }

  add(title: string, run: () => Promise<void>): void {
    this.checks.push({ title: `${this.#name}: ${title}`, run });
  }
}
