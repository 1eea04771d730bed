import type { StepNode } from "../interfaces/build-step.ts";
import type { Entry, PlainEntry, Plugin, Point } from "../interfaces/plugin.ts";
import { groupKindOf, isEntry } from "../plugins/define.ts";
import { type CheckedConfig, configSchema } from "./config.ts";
import { type Report, reportIssues } from "./faults.ts";

export type AnyEntry = Entry | PlainEntry;

type List<T> = readonly (T | undefined)[];

/** A configuration of which what has not the right shape is left out, so that the rest can be looked at too. */
export interface Draft {
  plugins?: List<Plugin> | undefined;
  database?: AnyEntry | undefined;
  logStore?: AnyEntry | undefined;
  secrets?: List<AnyEntry> | undefined;
  services?: List<AnyEntry> | undefined;
  workers?: List<AnyEntry> | undefined;
  sources?: List<AnyEntry> | undefined;
  schedulers?: List<AnyEntry> | undefined;
  listeners?: List<AnyEntry> | undefined;
  locks?: List<DraftLock> | undefined;
  builders?: List<DraftBuilder> | undefined;
}

export interface DraftLock {
  kind?: string | undefined;
  name?: string | undefined;
  maxCount?: number | undefined;
  maxCountForWorker?: Readonly<Record<string, number>> | undefined;
}

export interface DraftBuilder {
  name?: string | undefined;
  workers?: List<string> | undefined;
  steps?: List<StepNode> | undefined;
  locks?: unknown;
}

/** Where the entries of each list stand. */
const LISTS = [
  ["secrets", "secrets"],
  ["services", "service"],
  ["workers", "worker"],
  ["sources", "source"],
  ["schedulers", "scheduler"],
  ["listeners", "listener"],
] as const;

/** Looks at the shape of a configuration. `checked` is there if all of it is right. */
export function readShape(value: unknown, report: Report): { draft: Draft; checked: CheckedConfig | undefined } {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    report("", "expected `export default defineConfig({ … })`");
    return { draft: {}, checked: undefined };
  }
  const shape = configSchema.safeParse(value);
  if (shape.success) return { draft: shape.data, checked: shape.data };
  reportIssues(shape.error.issues, [], report);
  let rest: unknown = value;
  for (const { code, path } of shape.error.issues) if (code !== "unrecognized_keys") rest = without(rest, path);
  return { draft: rest as Draft, checked: undefined };
}

/** A copy without what is at this path; items of a list keep their places. */
function without(value: unknown, [key, ...rest]: readonly PropertyKey[]): unknown {
  if (key === undefined || typeof value !== "object" || value === null) return undefined;
  if (isEntry(value)) return key === "options" ? undefined : value;
  const copy = (Array.isArray(value) ? [...value] : { ...value }) as Record<PropertyKey, unknown>;
  copy[key] = without(copy[key], rest);
  return copy;
}

/** Every entry of a configuration, with its path and the point it stands at. */
export function* entriesOf(draft: Draft): Generator<{ path: string; point: Point; entry: AnyEntry }> {
  if (draft.database) yield { path: "database", point: "database", entry: draft.database };
  if (draft.logStore) yield { path: "logStore", point: "logStore", entry: draft.logStore };
  for (const [key, point] of LISTS) {
    for (const [i, entry] of (draft[key] ?? []).entries()) if (entry) yield { path: `${key}[${i}]`, point, entry };
  }
  for (const [i, builder] of (draft.builders ?? []).entries()) {
    yield* stepEntriesOf(builder?.steps ?? [], `builders[${i}].steps`);
  }
}

/** The entries among steps and groups of them, with their paths. */
export function* stepEntriesOf(
  nodes: List<StepNode>,
  base: string,
): Generator<{ path: string; point: Point; entry: AnyEntry }> {
  for (const [i, node] of nodes.entries()) {
    if (!node) continue;
    const path = `${base}[${i}]`;
    const members = membersOf(node);
    if (members) yield* stepEntriesOf(members.steps, `${path}.${members.kind}`);
    else yield { path, point: "step", entry: node as AnyEntry };
  }
}

/** The kind and the steps of a group; `undefined` for a step. */
export function membersOf(node: StepNode): { kind: "parallel" | "sequence"; steps: readonly StepNode[] } | undefined {
  const kind = groupKindOf(node);
  if (kind === undefined) return undefined;
  return { kind, steps: (node as unknown as Record<typeof kind, readonly StepNode[]>)[kind] ?? [] };
}
