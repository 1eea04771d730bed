import { faults } from "../errors/catalogue.ts";
import type { BuildStep, StepNode } from "../interfaces/build-step.ts";
import type { Plugin } from "../interfaces/plugin.ts";
import { GROUPS } from "../plugins/define.ts";
import type { Registry } from "../plugins/registry.ts";
import { stepNode } from "./config.ts";
import { membersOf } from "./draft.ts";
import { type Fault, type Report, reportIssues } from "./faults.ts";
import { type Flags, type MadePart, type MakeContext, makeAddedParts } from "./parts.ts";

export interface ConfiguredStep {
  name: string;
  kind: string;
  plugin: Plugin;
  step: BuildStep;
  flags: Flags;
}

export interface ConfiguredGroup {
  name: string;
  kind: "parallel" | "sequence";
  /** How many at a time. */
  limit: number;
  steps: readonly ConfiguredNode[];
  flags: Flags;
}

/** A step as it is run, or a group of them. */
export type ConfiguredNode = ConfiguredStep | ConfiguredGroup;

export function isGroup(node: ConfiguredNode): node is ConfiguredGroup {
  return "steps" in node;
}

/** The steps among steps and groups, in their order. */
export function leafSteps(nodes: readonly ConfiguredNode[]): ConfiguredStep[] {
  return nodes.flatMap((node) => (isGroup(node) ? leafSteps(node.steps) : [node]));
}

/** How many rows a step or group has: its own and those of everything in it. */
export function countSteps(nodes: readonly ConfiguredNode[]): number {
  return nodes.reduce((sum, node) => sum + 1 + (isGroup(node) ? countSteps(node.steps) : 0), 0);
}

/** Puts steps and groups together from the parts that were made of them. */
export function assembleSteps(
  nodes: readonly StepNode[],
  base: string,
  parts: ReadonlyMap<string, MadePart>,
): ConfiguredNode[] {
  return nodes.map((node, i) => {
    const path = `${base}[${i}]`;
    const members = membersOf(node);
    if (members) {
      const { kind } = members;
      const { name, limit, parallel: _, sequence: __, ...flags } = GROUPS[kind].parse(node) as GroupOptions;
      const steps = assembleSteps(members.steps, `${path}.${kind}`, parts);
      return {
        name: name ?? kind,
        kind,
        limit: kind === "parallel" ? (limit ?? steps.length) : 1,
        steps,
        flags: flags as Flags,
      };
    }
    const { kind, plugin, part, flags } = parts.get(path) as MadePart;
    const step = part as BuildStep;
    return { name: flags.name ?? step.name, kind, plugin, step, flags };
  });
}

/** What a builder's print is made of: groups as they are written, with the prints of the steps in them. */
export function stepPrints(nodes: readonly StepNode[], base: string, parts: ReadonlyMap<string, MadePart>): unknown[] {
  return nodes.map((node, i) => {
    const path = `${base}[${i}]`;
    const members = membersOf(node);
    if (!members) return parts.get(path)?.print;
    const { kind, steps } = members;
    return { ...node, [kind]: stepPrints(steps, `${path}.${kind}`, parts) };
  });
}

type GroupOptions = { name?: string; limit?: number; parallel?: unknown; sequence?: unknown } & Record<string, unknown>;

/** Makes steps that a running build adds, or throws `BELFRY_STEPS_REFUSED` with everything that is wrong with them. */
export function makeAddedSteps(
  nodes: readonly StepNode[],
  registry: Registry,
  making: { context: MakeContext; code: string | undefined },
): ConfiguredNode[] {
  const found: Fault[] = [];
  const report: Report = (path, message, code) => found.push({ path, message, ...(code ? { code } : {}) });
  const shape = stepNode.array().safeParse(nodes);
  if (!shape.success) reportIssues(shape.error.issues, ["steps"], report);
  const parts = shape.success ? makeAddedParts(shape.data, registry, { ...making, report }) : new Map();
  if (found.length > 0 || !shape.success) throw faults.stepsRefused(found);
  return assembleSteps(shape.data, "steps", parts);
}
