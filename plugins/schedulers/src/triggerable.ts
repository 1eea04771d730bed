import { type BuildsetSpec, defineScheduler, type Json, type Scheduler, z } from "belfry";
import { Codebases, codebases, oneCodebase } from "./codebases.ts";

/** Builds when a step of another build asks for it. */
export const triggerable = defineScheduler({
  kind: "triggerable",
  options: z.strictObject({
    builders: z.array(z.string().min(1)).min(1).describe("builders to start"),
    ...oneCodebase,
    codebases: codebases.optional().describe("builds need all of these; what the step gives of others is left out"),
    properties: z
      .record(z.string().min(1).max(256), z.json())
      .default({})
      .describe("properties of the builds; those that the step gives win"),
    priority: z.int().default(0).describe("builds of a higher one are started first; what the step gives wins"),
  }),
  create({ properties, priority, codebases: given, ...options }, { name }): Scheduler {
    const builders = [...new Set(options.builders)];
    const { repository, branch, codebase, project } = options;
    const one = { repository, branch, revision: null, codebase, project };
    const known = given && new Codebases(given, branch);
    return {
      builders,
      wants: [],
      process: async () => ({ buildsets: [] }),
      trigger(request): BuildsetSpec {
        const stamps = structuredClone(request.sourceStamps);
        return {
          builders: [...builders],
          sourceStamps: known ? known.fill(stamps) : stamps.length > 0 ? [...stamps] : [{ ...one }],
          changes: [...request.changes],
          reason: request.reason,
          properties: {
            ...(structuredClone(properties) as Record<string, Json>),
            ...structuredClone(request.properties),
            scheduler: name,
          },
          priority: request.priority ?? priority,
        };
      },
    };
  },
});
