import type { Generation } from "../config/generation.ts";
import type { Caller, Scope, VisibilitySubject } from "../interfaces/api-method.ts";
import type { Json } from "../interfaces/values.ts";
import type { Narrowing, TokenFacts } from "../store/tokens.ts";

const ALL: ReadonlySet<Scope> = new Set(["read", "control", "admin"]);

/** What a token is narrowed to; copies of its caller have it too. */
const NARROWED = Symbol("narrowed");

/** A caller as one process of a master tells another who calls. */
export interface WireCaller {
  name: string;
  kind: Caller["kind"];
  scopes: Scope[];
  origin: string | null;
  narrowed: Narrowing | null;
}

/** Whoever can open the master's socket, and the process itself. */
export const administrator: Caller = { name: "administrator", kind: "socket", scopes: ALL, visible: null };
export const internal: Caller = { name: "belfry", kind: "internal", scopes: ALL, visible: null };

export function anonymousCaller(mayRead: boolean): Caller {
  return { name: "anonymous", kind: "anonymous", scopes: new Set<Scope>(mayRead ? ["read"] : []), visible: null };
}

/** Names the client that a call comes from, for what each may have only so much of; `undefined` for who has no limit. */
export function clientOf({ kind, name, origin }: Pick<Caller, "kind" | "name" | "origin">): string | undefined {
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
  return narrowedCaller({ name: token.name, kind: "token", scopes }, narrowed);
}

function narrowedCaller(facts: Omit<Caller, "visible">, narrowed: Narrowing | null): Caller {
  const caller: Caller & { [NARROWED]: Narrowing | null } = {
    ...facts,
    visible: narrowed && ((subject) => isWithin(subject, narrowed)),
    [NARROWED]: narrowed,
  };
  return caller;
}

/** `undefined` for one whose sight is known by nothing but a function; the configuration's rule counts everywhere. */
export function toWireCaller(caller: Caller): (WireCaller & { [key: string]: Json }) | undefined {
  const { name, kind, scopes, origin = null } = caller;
  const narrowed = (caller as { [NARROWED]?: Narrowing | null })[NARROWED] ?? null;
  const sight = isRuled(caller) ? caller[OWN_SIGHT] : caller.visible;
  if (sight !== null && narrowed === null) return undefined;
  return { name, kind, scopes: [...scopes], origin, narrowed: narrowed as Json as never };
}

/** The caller that another process speaks for; not yet ruled. */
export function fromWireCaller({ name, kind, scopes, origin, narrowed }: WireCaller): Caller {
  const facts = { name, kind, scopes: new Set(scopes), ...(origin === null ? {} : { origin }) };
  return narrowedCaller(facts, narrowed);
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
