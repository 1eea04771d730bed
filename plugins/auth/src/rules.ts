import type { Narrowing, Scope } from "belfry";
import type { Rule } from "./options.ts";

/** Somebody who has signed in, as far as rules look at him. */
export interface Person {
  readonly name: string;
  readonly groups: readonly string[];
}

/** What somebody may, as data. */
export interface Rights {
  readonly scopes: readonly Scope[];
  /** `null` for everything. */
  readonly sees: Narrowing | null;
  /** Of what he sees; `null` for all of it. */
  readonly controls: Narrowing | null;
  /** The rules that gave it, by name. */
  readonly rules: readonly string[];
}

export const NOTHING: Rights = { scopes: [], sees: null, controls: null, rules: [] };
export const EVERYTHING: Rights = { scopes: ["admin", "control", "read"], sees: null, controls: null, rules: [] };

const ORDER: readonly Scope[] = ["read", "control", "admin"];

/** What a rule is called in answers: its own name, or its place. */
export function nameOfRule(rule: Rule, index: number): string {
  return rule.name ?? `rule ${index + 1}`;
}

/** Whether a rule speaks of somebody; `undefined` is who has not signed in. */
export function concerns(rule: Rule, person: Person | undefined): boolean {
  if (rule.anybody) return true;
  if (person === undefined) return false;
  return (
    rule.signedIn === true ||
    (rule.users?.includes(person.name) ?? false) ||
    (rule.groups?.some((group) => person.groups.includes(group)) ?? false)
  );
}

/** The builders that a rule is about; `null` for all. */
export function whereOf({ builders, projects, tags }: Rule): Narrowing | null {
  if (!builders && !projects && !tags) return null;
  return {
    builders: builders?.filter((name) => !name.includes("*")) ?? null,
    patterns: builders?.filter((name) => name.includes("*")) ?? null,
    projects: projects ?? null,
    tags: tags ?? null,
  };
}

/** What somebody may: all that the rules about him give, together. */
export function rightsOf(rules: readonly Rule[], person: Person | undefined): Rights {
  const given = rules
    .map((rule, i) => ({ rule, name: nameOfRule(rule, i) }))
    .filter(({ rule }) => concerns(rule, person));
  if (given.length === 0) return NOTHING;
  const all = given.map(({ rule }) => rule);
  const highest = Math.max(...all.map(({ may }) => ORDER.indexOf(may)));
  const controlling = all.filter(({ may }) => may !== "read");
  return {
    scopes: ORDER.slice(0, highest + 1),
    sees: union(all.map(whereOf)),
    controls: controlling.length === 0 ? null : union(controlling.map(whereOf)),
    rules: given.map(({ name }) => name),
  };
}

/** What two grants give together. */
export function both(a: Rights, b: Rights): Rights {
  if (a.scopes.length === 0) return b;
  if (b.scopes.length === 0) return a;
  const controlling = [a, b].filter(({ scopes }) => scopes.includes("control"));
  return {
    scopes: ORDER.filter((scope) => a.scopes.includes(scope) || b.scopes.includes(scope)),
    sees: union([a.sees, b.sees]),
    controls: controlling.length === 0 ? null : union(controlling.map(controlOf)),
    rules: [...a.rules, ...b.rules],
  };
}

/** Where somebody may control: what limits it, or else his sight. */
export function controlOf({ controls, sees }: Rights): Narrowing | null {
  return controls ?? sees;
}

function union(parts: readonly (Narrowing | null)[]): Narrowing | null {
  if (parts.some((part) => part === null)) return null;
  const of = (key: keyof Narrowing) => {
    const values = parts.flatMap((part) => part?.[key] ?? []);
    return values.length === 0 ? null : [...new Set(values)];
  };
  return { builders: of("builders"), projects: of("projects"), tags: of("tags"), patterns: of("patterns") };
}
