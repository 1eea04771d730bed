import { type ConfiguredAccess, isWithin, type Scope, type VisibilitySubject } from "belfry";
import type { Rule } from "./options.ts";
import {
  both,
  concerns,
  controlOf,
  NOTHING,
  nameOfRule,
  type Person,
  type Rights,
  rightsOf,
  whereOf,
} from "./rules.ts";

const ORDER: readonly Scope[] = ["read", "control", "admin"];

export interface Decision {
  may: boolean;
  /** Why, as a sentence. */
  why: string;
  /** The rule that says so; `null` if it is no rule. */
  rule: string | null;
}

export interface Question {
  rules: readonly Rule[];
  /** `undefined` for who has not signed in. */
  person: Person | undefined;
  permission: Scope;
  /** What it is about; `undefined` for nothing in particular. */
  subject: VisibilitySubject | undefined;
  access: Pick<ConfiguredAccess, "anonymous" | "visible">;
}

/** Whether somebody may, as the master decides at each call, and which rule says so. */
export function decide({ rules, person, permission, subject, access }: Question): Decision {
  const anonymous: Rights = { ...NOTHING, scopes: access.anonymous === "read" ? ["read"] : [] };
  const rights = both(rightsOf(rules, person), anonymous);
  const no = (why: string): Decision => ({ may: false, why, rule: null });
  if (!rights.scopes.includes(permission)) return no(`no rule gives him ${permission}`);
  if (subject !== undefined) {
    if (rights.sees !== null && !isWithin(subject, rights.sees)) return no("no rule lets him see this builder");
    const scopes = new Set(rights.scopes);
    const caller = { name: person?.name ?? "anonymous", kind: person ? "session" : "anonymous", scopes } as const;
    if (!scopes.has("admin") && access.visible && !isShown(access.visible, subject, caller))
      return no("access.visible of the configuration hides this builder from him");
    const limits = permission === "control" ? controlOf(rights) : null;
    if (limits !== null && !isWithin(subject, limits))
      return no("he may see this builder, but no rule lets him control it");
  }
  const index = rules.findIndex((rule) => {
    const where = whereOf(rule);
    const fits = subject === undefined || where === null || isWithin(subject, where);
    return concerns(rule, person) && fits && ORDER.indexOf(rule.may) >= ORDER.indexOf(permission);
  });
  const rule = rules[index];
  if (rule === undefined)
    return { may: true, why: "access.anonymous of the configuration lets everybody read", rule: null };
  const name = nameOfRule(rule, index);
  return { may: true, why: `${name} gives ${rule.may}${whoIn(rule, person)}`, rule: name };
}

function isShown(
  visible: NonNullable<ConfiguredAccess["visible"]>,
  subject: VisibilitySubject,
  caller: Parameters<NonNullable<ConfiguredAccess["visible"]>>[1],
): boolean {
  try {
    return visible(subject, caller) === true;
  } catch {
    return false;
  }
}

function whoIn(rule: Rule, person: Person | undefined): string {
  if (person !== undefined && rule.users?.includes(person.name)) return ` to the user "${person.name}"`;
  const group = rule.groups?.find((one) => person?.groups.includes(one));
  if (group !== undefined) return ` to the group "${group}"`;
  return rule.signedIn && person !== undefined ? " to everybody who has signed in" : " to everybody";
}
