import { type BuildsetSpec, defineScheduler, type ForceRequest, type Scheduler, z } from "belfry";
import { faults } from "./errors.ts";
import { forceProperties, mergeProperties } from "./force-properties.ts";

/** Builds when somebody asks for it. */
export const force = defineScheduler({
  kind: "force",
  options: z.strictObject({
    builders: z.array(z.string().min(1)).min(1).describe("builders that may be forced"),
    properties: forceProperties.optional().describe("properties that may be given, by name; any if left out"),
    repository: z.string().default("").describe("what to build unless the wish says otherwise"),
    branch: z.string().min(1).nullable().default(null).describe("its branch, unless the wish says otherwise"),
    revision: z
      .string()
      .min(1)
      .nullable()
      .default(null)
      .describe("its revision, unless the wish says otherwise; null for the newest"),
    codebase: z.string().default("").describe("its codebase"),
    project: z.string().default("").describe("its project"),
    reason: z.string().min(1).max(500).optional().describe("reason of a wish without one"),
    priority: z.int().default(0).describe("priority of a wish without one"),
  }),
  create(options, { name }): Scheduler {
    const builders = [...new Set(options.builders)];
    return {
      builders,
      wants: [],
      process: async () => ({ buildsets: [] }),
      force(request): BuildsetSpec {
        const { repository, branch, revision } = request;
        const priority = request.priority ?? options.priority;
        if (!Number.isSafeInteger(priority)) throw faults.priorityInvalid(name);
        return {
          builders: chosen(name, builders, request),
          sourceStamps: [
            {
              repository: repository ?? options.repository,
              branch: branch === undefined ? options.branch : branch,
              revision: revision === undefined ? options.revision : revision,
              codebase: options.codebase,
              project: options.project,
            },
          ],
          reason: reasonOf(request, options.reason),
          properties: {
            ...mergeProperties(name, options.properties, request.properties ?? {}),
            owner: request.owner,
            scheduler: name,
          },
          priority,
        };
      },
    };
  },
});

function chosen(scheduler: string, known: readonly string[], { builders }: ForceRequest): string[] {
  if (builders === undefined) return [...known];
  const unknown = [...new Set(builders.filter((builder) => !known.includes(builder)))];
  if (unknown.length > 0) throw faults.builderUnknown(scheduler, unknown, known);
  if (builders.length === 0) throw faults.noBuilder(scheduler);
  return [...new Set(builders)];
}

function reasonOf({ owner, reason }: ForceRequest, fallback: string | undefined): string {
  const why = (reason?.trim() ? reason : (fallback ?? "")).slice(0, 2_000).replace(/\s+/g, " ").trim();
  return why === "" ? `forced by ${owner}` : `forced by ${owner}: ${why.length > 500 ? `${why.slice(0, 499)}…` : why}`;
}
