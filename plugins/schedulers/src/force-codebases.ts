import type { ForceRequest, FormField, SourceStampSpec, z } from "belfry";
import { Codebases, type codebases } from "./codebases.ts";
import { type Leaf, leavesOf, type Parameter } from "./force-parameters.ts";
import { type ParameterFault, textOf } from "./force-values.ts";

type CodebaseParameter = Extract<Leaf, { type: "codebase" }>;
type Given = NonNullable<ForceRequest["codebases"]>[string];

export interface StampOptions {
  repository: string;
  branch: string | null;
  revision: string | null;
  codebase: string;
  project: string;
  codebases?: z.output<typeof codebases> | undefined;
  parameters?: readonly Parameter[] | undefined;
}

const PARTS = ["repository", "branch", "revision"] as const;

/** What is built unless a wish says otherwise, one stamp for each codebase. */
export function defaultStamps(options: StampOptions): SourceStampSpec[] {
  const { repository, branch, revision, codebase, project } = options;
  if (options.codebases) return new Codebases(options.codebases, branch).fill([]);
  return [{ repository, branch, revision, codebase, project }];
}

/** What a wish wants to be built. Where some codebases are asked for, only those can be chosen. */
export function wishedStamps(options: StampOptions, request: ForceRequest, found: ParameterFault[]): SourceStampSpec[] {
  const stamps = defaultStamps(options);
  const asked = leavesOf(options.parameters ?? []).filter((one) => one.type === "codebase");
  const { codebases: wished = {} } = request;
  const several = stamps.length > 1;
  for (const key of PARTS) {
    if (several && request[key] !== undefined)
      found.push({ path: key, message: `there are several codebases; give it in \`codebases\`` });
  }
  for (const name of Object.keys(wished)) {
    if (!stamps.some(({ codebase }) => codebase === name))
      found.push({ path: `codebases.${textOf(name)}`, message: "there is no such codebase" });
  }
  return stamps.map((stamp) => {
    const name = stamp.codebase ?? "";
    const own = Object.hasOwn(wished, name) ? wished[name] : undefined;
    const path = own === undefined && !several ? "" : `codebases.${name}.`;
    const given: Given = { ...(several ? {} : pick(request)), ...(own && pick(own)) };
    const parameter = asked.find((one) => one.name === name);
    if (parameter) check(parameter, given, stamp, path, found);
    else if (asked.length > 0) {
      for (const key of Object.keys(given)) found.push({ path: `${path}${key}`, message: "is not asked for" });
    }
    return { ...stamp, ...given };
  });
}

function check(
  { ask, branches, required }: CodebaseParameter,
  given: Given,
  stamp: SourceStampSpec,
  path: string,
  found: ParameterFault[],
): void {
  for (const key of PARTS) {
    if (given[key] !== undefined && !ask.includes(key) && given[key] !== stamp[key])
      found.push({ path: `${path}${key}`, message: "is not asked for" });
  }
  const branch = given.branch === undefined ? stamp.branch : given.branch;
  if (branch === null && required) found.push({ path: `${path}branch`, message: "is needed" });
  else if (branch !== null && branches && !branches.includes(branch)) {
    const names = branches.slice(0, 20).map((one) => `"${one}"`);
    found.push({ path: `${path}branch`, message: `expected one of ${names.join(", ")}` });
  }
}

function pick(given: Given | ForceRequest): Given {
  return Object.fromEntries(PARTS.flatMap((key) => (given[key] === undefined ? [] : [[key, given[key]]])));
}

/** The form's field of a codebase: what of it is asked for. */
export function codebaseField(one: CodebaseParameter, stamps: readonly SourceStampSpec[]): FormField {
  const stamp = stamps.find(({ codebase }) => codebase === one.name);
  const { repository = "", branch = null, revision = null } = stamp ?? {};
  return {
    name: one.name,
    type: "codebase",
    label: one.label ?? one.name,
    help: one.help ?? null,
    required: one.required,
    default: { repository, branch, revision },
    ...(one.branches && { choices: one.branches.map((value) => ({ value, label: value })) }),
    limits: { ask: [...one.ask] },
  };
}
