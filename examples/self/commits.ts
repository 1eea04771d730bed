import { type Change, definePlugin, defineScheduler, type Scheduler, type SchedulerDecision, z } from "belfry";

const REMEMBERED = 1_000;

const stateSchema = z.object({ began: z.number(), built: z.array(z.string()) });

/**
 * Builds what is new of one source, and of all others what was committed since the first start: the
 * newest commit of each branch. A commit is built once, whichever source and branch it came by.
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
      wants: ["changes"],
      async process({ changes, state, now }): Promise<SchedulerDecision> {
        const { began, built } =
          state === undefined ? { began: wholeSecond(now), built: [] } : stateSchema.parse(state);
        const done = new Set(built);
        const branches = new Map<string, Change[]>();
        for (const change of changes) {
          if (done.has(change.revision ?? "") || (change.source !== current && change.when < began)) continue;
          branches.set(change.branch ?? "", [...(branches.get(change.branch ?? "") ?? []), change]);
        }
        const buildsets = [...branches.values()].flatMap((news) => {
          const newest = news.at(-1);
          if (newest === undefined || done.has(newest.revision ?? "")) return [];
          for (const { revision } of news) done.add(revision ?? "");
          return [
            {
              builders,
              sourceStamps: [stampOf(newest)],
              changes: news.map(({ id }) => id),
              reason: reasonOf(newest, news.length),
            },
          ];
        });
        return { buildsets, state: { began, built: [...done].slice(-REMEMBERED) } };
      },
    };
  },
});

export default definePlugin({ name: "belfry-self-commits", version: "0.1.0", parts: [commits] });

/** Git counts in seconds. */
function wholeSecond(time: number): number {
  return Math.floor(time / 1_000) * 1_000;
}

function stampOf({ repository, branch, revision }: Change) {
  return { repository, branch, revision };
}

function reasonOf({ author, comments }: Change, count: number): string {
  const subject = comments.split("\n", 1)[0]?.trim().slice(0, 100) ?? "";
  const more = count > 1 ? `, and ${count - 1} more` : "";
  return `${subject} (${author.replace(/ <.*$/, "")})${more}`;
}
