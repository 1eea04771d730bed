import { type Change, type SourceStampSpec, z } from "belfry";

export const stampSchema = z.strictObject({
  repository: z.string(),
  branch: z.string().nullable(),
  revision: z.string().nullable(),
  codebase: z.string(),
  project: z.string(),
});

export type Stamp = z.output<typeof stampSchema>;

/** The code of a change. */
export function stampOf({ repository, branch, revision, codebase, project }: Change): Stamp {
  return { repository, branch, revision, codebase, project };
}

/** The option of schedulers whose builds need code from several places, by the name of each place. */
export const codebases = z
  .record(
    z.string().min(1).max(255),
    z.strictObject({
      repository: z.string().min(1),
      branch: z.string().min(1).nullable().optional(),
      revision: z.string().min(1).nullable().default(null),
      project: z.string().default(""),
    }),
  )
  .refine((given) => Object.keys(given).length > 0, "expected at least one codebase");

/** What to build where there is one codebase. */
export const oneCodebase = {
  repository: z.string().default("").describe("what to build, where nothing else says it"),
  branch: z.string().min(1).nullable().default(null).describe("its branch"),
  codebase: z.string().default("").describe("its codebase"),
  project: z.string().default("").describe("its project"),
};

/**
 * The codebases of a scheduler: what is built of each, where no change says it. The newest change of
 * a codebase's own branch that was ever seen counts, whether or not it led to a build; without one it
 * is the newest that the worker finds.
 */
export class Codebases {
  readonly #defaults: ReadonlyMap<string, Stamp>;
  readonly #seen = new Map<string, Stamp>();
  #changed = false;

  /** `branch` is that of codebases without one of their own. */
  constructor(given: z.output<typeof codebases>, branch: string | null, seen: readonly Stamp[] = []) {
    this.#defaults = new Map(
      Object.entries(given).map(([codebase, { branch: own, ...rest }]) => [
        codebase,
        { ...rest, codebase, branch: own === undefined ? branch : own },
      ]),
    );
    // What an older configuration has seen of another place does not count.
    for (const stamp of seen) if (this.#isOwn(stamp)) this.#seen.set(stamp.codebase, stamp);
  }

  get names(): string[] {
    return [...this.#defaults.keys()];
  }

  get changed(): boolean {
    return this.#changed;
  }

  has(codebase: string): boolean {
    return this.#defaults.has(codebase);
  }

  /** Notes the state of a codebase, if the change is one of its own branch. */
  note(change: Change): void {
    const stamp = stampOf(change);
    if (stamp.revision === null || !this.#isOwn(stamp)) return;
    this.#seen.set(stamp.codebase, stamp);
    this.#changed = true;
  }

  /** One stamp for each codebase: the given one, or the newest state that is known. */
  fill(given: readonly SourceStampSpec[]): SourceStampSpec[] {
    const by = new Map(given.map((stamp) => [stamp.codebase ?? "", stamp]));
    return [...this.#defaults].map(([name, stamp]) => ({
      ...(by.get(name) ?? (stamp.revision === null ? this.#seen.get(name) : undefined) ?? stamp),
    }));
  }

  /** What to remember. */
  get seen(): Stamp[] {
    return [...this.#seen.values()];
  }

  #isOwn({ codebase, repository, branch }: Stamp): boolean {
    const own = this.#defaults.get(codebase);
    return own !== undefined && own.repository === repository && own.branch === branch;
  }
}
