import { type BuildsetSpec, defineScheduler, type Json, RESULTS, type Scheduler, z } from "belfry";

const name = z.string().min(1);

/** Builds the same code once another scheduler's buildset has ended well. */
export const dependent = defineScheduler({
  kind: "dependent",
  options: z.strictObject({
    upstream: z.union([name, z.array(name).min(1)]).describe("the scheduler whose buildsets it waits for, or several"),
    builders: z.array(z.string().min(1)).min(1).describe("builders to start"),
    on: z
      .array(z.enum(RESULTS))
      .min(1)
      .default(["success", "warnings"])
      .describe("the results of a buildset that it builds on"),
    properties: z.record(z.string().min(1).max(256), z.json()).default({}).describe("properties of the builds"),
    priority: z.int().default(0).describe("builds of a higher one are started first"),
    reason: z.string().min(1).max(500).optional().describe("shown as the reason of the builds"),
  }),
  create({ upstream, on, properties, priority, reason, ...options }, ctx): Scheduler {
    const schedulers = [...new Set(typeof upstream === "string" ? [upstream] : upstream)];
    const builders = [...new Set(options.builders)];
    return {
      builders,
      upstream: schedulers,
      wants: ["finished"],
      async process({ finished }) {
        const buildsets = finished.flatMap((set): BuildsetSpec[] => {
          if (set.scheduler === null || !schedulers.includes(set.scheduler) || !on.includes(set.result)) return [];
          return [
            {
              builders: [...builders],
              sourceStamps: structuredClone(set.sourceStamps),
              changes: [...set.changes],
              reason: reason ?? `${set.scheduler} ended with ${set.result}`,
              properties: { ...(structuredClone(properties) as Record<string, Json>), scheduler: ctx.name },
              priority,
            },
          ];
        });
        return { buildsets };
      },
      waits: () => [{ reason: "upstream", schedulers: [...schedulers] }],
    };
  },
});
