import {
  type BuildsetSpec,
  defineScheduler,
  type ForceContext,
  type ForceRequest,
  type Json,
  type Scheduler,
  z,
} from "belfry";
import { codebases, oneCodebase } from "./codebases.ts";
import { faults } from "./errors.ts";
import { codebaseField, defaultStamps, wishedStamps } from "./force-codebases.ts";
import { forceParameters, formOf, leavesOf, type Parameter, readParameters } from "./force-parameters.ts";
import { type ParameterFault, textOf } from "./force-values.ts";

/** Builds when somebody asks for it. */
export const force = defineScheduler({
  kind: "force",
  options: z
    .strictObject({
      builders: z.array(z.string().min(1)).min(1).describe("builders that may be forced"),
      parameters: forceParameters
        .optional()
        .describe("what is asked for, in the order of the form; any property may be given if left out"),
      ...oneCodebase,
      revision: z
        .string()
        .min(1)
        .nullable()
        .default(null)
        .describe("its revision, unless the wish says otherwise; null for the newest"),
      codebases: codebases.optional().describe("builds need all of these; a wish may say something else of each"),
      reason: z.string().min(1).max(500).optional().describe("reason of a wish without one"),
      priority: z.int().default(0).describe("priority of a wish without one"),
    })
    .superRefine(({ parameters, codebases, codebase }, ctx) => {
      const known = codebases ? Object.keys(codebases) : [codebase];
      for (const one of leavesOf(parameters ?? [])) {
        const message =
          one.type === "codebase" && !known.includes(one.name)
            ? `there is no codebase "${one.name}"`
            : one.type === "revision" && known.length > 1
              ? `"${one.name}" would be the revision of which codebase? Use a parameter of type codebase`
              : undefined;
        if (message !== undefined) ctx.addIssue({ code: "custom", path: ["parameters"], message });
      }
    }),
  create(options, { name }): Scheduler {
    const builders = [...new Set(options.builders)];
    const { parameters } = options;
    const stamps = defaultStamps(options);
    return {
      builders,
      wants: [],
      process: async () => ({ buildsets: [] }),
      form: (ctx) => (parameters === undefined ? null : formOf(parameters, ctx, (one) => codebaseField(one, stamps))),
      force(request, ctx): BuildsetSpec {
        const found: ParameterFault[] = [];
        const priority = request.priority ?? options.priority;
        if (!Number.isSafeInteger(priority)) found.push({ path: "priority", message: "expected a whole number" });
        const chosen = chooseBuilders(builders, request, found);
        const properties = readProperties(parameters, request, ctx, found);
        const sourceStamps = wishedStamps(options, withRevision(parameters, request, properties), found);
        if (found.length > 0) throw faults.wishInvalid(name, found);
        return {
          builders: chosen,
          sourceStamps,
          reason: reasonOf(request, options.reason),
          properties: { ...properties, owner: request.owner, scheduler: name },
          priority,
        };
      },
    };
  },
});

const MOST_FAULTS = 100;

function chooseBuilders(known: readonly string[], { builders }: ForceRequest, found: ParameterFault[]): string[] {
  if (builders === undefined) return [...known];
  if (builders.length === 0) found.push({ path: "builders", message: "expected at least one, or none at all for all" });
  for (const [i, builder] of builders.entries()) {
    if (known.includes(builder)) continue;
    if (found.length > MOST_FAULTS) break;
    const names = known.slice(0, 20).map((one) => `"${one}"`);
    const more = known.length > names.length ? ` and ${known.length - names.length} more` : "";
    const message = `"${textOf(builder)}" is not built by this scheduler; it builds ${names.join(", ")}${more}`;
    found.push({ path: `builders[${i}]`, message });
  }
  return [...new Set(builders)];
}

function readProperties(
  parameters: readonly Parameter[] | undefined,
  { properties = {} }: ForceRequest,
  ctx: ForceContext,
  found: ParameterFault[],
): Record<string, Json> {
  if (parameters === undefined) return structuredClone(properties);
  return readParameters(parameters, properties, ctx, "properties", found);
}

/** A parameter of type revision says what is built, where the wish itself does not. */
function withRevision(
  parameters: readonly Parameter[] | undefined,
  request: ForceRequest,
  properties: Record<string, Json>,
): ForceRequest {
  if (request.revision !== undefined) return request;
  const asked = leavesOf(parameters ?? []).find(({ type }) => type === "revision")?.name;
  const revision = asked === undefined ? undefined : properties[asked];
  return typeof revision === "string" && revision !== "" ? { ...request, revision } : request;
}

function reasonOf({ owner, reason }: ForceRequest, fallback: string | undefined): string {
  const why = (reason?.trim() ? reason : (fallback ?? "")).slice(0, 2_000).replace(/\s+/g, " ").trim();
  return why === "" ? `forced by ${owner}` : `forced by ${owner}: ${why.length > 500 ? `${why.slice(0, 499)}…` : why}`;
}
