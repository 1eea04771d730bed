import type { Generation } from "../config/generation.ts";
import type { Caller, Scope, VisibilitySubject } from "../interfaces/api-method.ts";
import type { Narrowing, TokenFacts } from "../store/tokens.ts";

const ALL: ReadonlySet<Scope> = new Set(["read", "control", "admin"]);

/** Whoever can open the master's socket, and the process itself. */
export const administrator: Caller = { name: "administrator", kind: "socket", scopes: ALL, visible: null };
export const internal: Caller = { name: "belfry", kind: "internal", scopes: ALL, visible: null };

export function anonymousCaller(mayRead: boolean): Caller {
  return { name: "anonymous", kind: "anonymous", scopes: new Set<Scope>(mayRead ? ["read"] : []), visible: null };
}

/** Names the client that a call comes from, for what each may have only so much of; `undefined` for who has no limit. */
export function clientOf({ kind, name, origin }: Caller): string | undefined {
  return kind === "internal" || kind === "socket" ? undefined : `${kind} ${name} ${origin ?? ""}`;
}

/** A token's caller. A wider scope holds the narrower ones. */
export function tokenCaller(token: TokenFacts): Caller {
  const scopes = new Set<Scope>(token.scopes);
  if (scopes.has("admin")) scopes.add("control");
  if (scopes.has("control")) scopes.add("read");
  const { narrowed } = token;
  // Who may not see everything cannot say who may: he would see everything next.
  if (narrowed) scopes.delete("admin");
  return { name: token.name, kind: "token", scopes, visible: narrowed && ((subject) => isWithin(subject, narrowed)) };
}

/** What a caller could see without the configuration's rule; copies of it have it too. */
const OWN_SIGHT = Symbol("own sight");

interface RuledCaller extends Caller {
  readonly [OWN_SIGHT]: Caller["visible"];
}

type Rule = () => Generation["visible"];

/**
 * A caller over the network, who sees no more than the configuration's rule lets it: the one that is in force when
 * it looks, not when it came. A rule that throws hides.
 */
export function ruled(caller: Caller, rule: Rule, onError: (error: unknown) => void): Caller {
  if (caller.scopes.has("admin")) return caller;
  const { name, kind, scopes, visible } = caller;
  const ruled: RuledCaller = {
    ...caller,
    [OWN_SIGHT]: visible,
    get visible() {
      const allows = rule();
      if (!allows) return visible;
      return (subject: VisibilitySubject) => {
        if (visible !== null && !visible(subject)) return false;
        try {
          return allows(subject, { name, kind, scopes }) === true;
        } catch (error) {
          onError(error);
          return false;
        }
      };
    },
  };
  return ruled;
}

/** The same for a caller, or a copy of one, that was ruled before: a copy sees what was to be seen when it was made. */
export function ruledAnew(caller: Caller, rule: Rule, onError: (error: unknown) => void): Caller {
  if (!isRuled(caller)) return caller;
  return ruled({ ...caller, visible: caller[OWN_SIGHT] }, rule, onError);
}

function isRuled(caller: Caller): caller is RuledCaller {
  return OWN_SIGHT in caller;
}

function isWithin(subject: VisibilitySubject, { builders, projects, tags }: Narrowing): boolean {
  return (
    (builders?.includes(subject.builder) ?? false) ||
    (projects?.includes(subject.project) ?? false) ||
    (tags?.some((tag) => subject.tags.includes(tag)) ?? false)
  );
}
