import { type Change, definePlugin, defineScheduler, type Scheduler, type SchedulerDecision, z } from "belfry";

const REMEMBERED = 1_000;

const stateSchema = z.object({ began: z.number(), built: z.array(z.string()) });

/**
 * Builds every commit of one source, and of all others those that were made since the first start.
 * A commit is built once, whichever source tells of it.
 */
export const commits = defineScheduler({
  kind: "commits",
  options: z.strictObject({
    builders: z.array(z.string()).min(1).describe("builders to start"),
    current: z.string().describe("the source whose commits are built whatever their age"),
  }),
  create({ builders, current }): Scheduler {
    return {
      builders,
      async process({ changes, state, now }): Promise<SchedulerDecision> {
        const { began, built } = state === undefined ? { began: now - 60_000, built: [] } : stateSchema.parse(state);
        const done = new Set(built);
        const wanted = changes.filter((change) => {
          const key = `${change.branch}:${change.revision}`;
          if (done.has(key) || (change.source !== current && change.when < began)) return false;
          done.add(key);
          return true;
        });
        return {
          buildsets: wanted.map((change) => ({ builders, sourceStamps: [stampOf(change)], changes: [change.id], reason: reasonOf(change) })),
          state: { began, built: [...done].slice(-REMEMBERED) },
        };
      },
    };
  },
});

export default definePlugin({ name: "belfry-self-commits", version: "0.1.0", parts: [commits] });

function stampOf({ repository, branch, revision }: Change) {
  return { repository, branch, revision };
}

function reasonOf({ author, comments }: Change): string {
  const subject = comments.split("\n", 1)[0]?.trim().slice(0, 100) ?? "";
  return `${subject} (${author.replace(/ <.*$/, "")})`;
}
