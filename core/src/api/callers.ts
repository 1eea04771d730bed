import type { Generation } from "../config/generation.ts";
import type { Caller, CallerFacts, Narrowing, Scope, VisibilitySubject } from "../interfaces/api-method.ts";
import type { Json } from "../interfaces/values.ts";
import type { TokenFacts } from "../store/tokens.ts";

const ALL: ReadonlySet<Scope> = new Set(["read", "control", "admin"]);

/** What a caller is narrowed to, as data; copies of it have it too. */
const NARROWED = Symbol("narrowed");
const CONTROLS = Symbol("controls");

interface NarrowedCaller extends Caller {
  readonly [NARROWED]: Narrowing | null;
  readonly [CONTROLS]: Narrowing | null;
}

/** A caller as one process of a master tells another who calls. */
export interface WireCaller {
  name: string;
  kind: Caller["kind"];
  scopes: Scope[];
  origin: string | null;
  narrowed: Narrowing | null;
  controls?: Narrowing | null;
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

export function tokenCaller({ name, scopes, narrowed }: TokenFacts): Caller {
  return callerOf({ name, kind: "token", scopes, sees: narrowed, controls: null });
}

/** The caller that these facts tell of; not yet ruled. */
export function callerOf({ name, kind, scopes: given, sees, controls, origin }: CallerFacts): Caller {
  const scopes = new Set<Scope>(given);
  if (scopes.has("admin")) scopes.add("control");
  if (scopes.has("control")) scopes.add("read");
  // Who may not see or control everything cannot say who may: he could do everything next.
  if (sees || controls) scopes.delete("admin");
  return narrowedCaller({ name, kind, scopes, ...(origin === undefined ? {} : { origin }) }, sees, controls);
}

function narrowedCaller(
  facts: Omit<Caller, "visible" | "controls">,
  narrowed: Narrowing | null,
  controls: Narrowing | null,
): Caller {
  const caller: NarrowedCaller = {
    ...facts,
    visible: narrowed && ((subject) => isWithin(subject, narrowed)),
    controls: controls && ((subject) => isWithin(subject, controls)),
    [NARROWED]: narrowed,
    [CONTROLS]: controls,
  };
  return caller;
}

/**
 * Tells callers of one name apart who may do, see or control other things, as far as that is data. With their scopes,
 * since the configuration's rule of who sees what is told these.
 */
export function rightsKey(caller: Caller): string {
  const { [NARROWED]: sees = null, [CONTROLS]: controls = null } = caller as Partial<NarrowedCaller>;
  return JSON.stringify([[...caller.scopes].sort(), sees, controls]);
}

/** `undefined` for one whose sight is known by nothing but a function; the configuration's rule counts everywhere. */
export function toWireCaller(caller: Caller): (WireCaller & { [key: string]: Json }) | undefined {
  const { name, kind, scopes, origin = null } = caller;
  const { [NARROWED]: narrowed = null, [CONTROLS]: controls = null } = caller as Partial<NarrowedCaller>;
  const sight = isRuled(caller) ? caller[OWN_SIGHT] : caller.visible;
  if (sight !== null && narrowed === null) return undefined;
  if (caller.controls && controls === null) return undefined;
  const limits = { narrowed: narrowed as Json as never, controls: controls as Json as never };
  return { name, kind, scopes: [...scopes], origin, ...limits };
}

/** The caller that another process speaks for; not yet ruled. */
export function fromWireCaller({ name, kind, scopes, origin, narrowed, controls = null }: WireCaller): Caller {
  const facts = { name, kind, scopes: new Set(scopes), ...(origin === null ? {} : { origin }) };
  return narrowedCaller(facts, narrowed, controls);
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

/** Whether a builder is one of these. */
export function isWithin(subject: VisibilitySubject, { builders, projects, tags, patterns }: Narrowing): boolean {
  return (
    (builders?.includes(subject.builder) ?? false) ||
    (projects?.includes(subject.project) ?? false) ||
    (tags?.some((tag) => subject.tags.includes(tag)) ?? false) ||
    (subject.builder !== "" && (patterns?.some((pattern) => fits(subject.builder, pattern)) ?? false))
  );
}

/** Whether a name fits a pattern in which `*` stands for any text. In time that grows with the name's length only. */
function fits(name: string, pattern: string): boolean {
  const [first = "", ...rest] = pattern.split("*");
  const last = rest.pop();
  if (last === undefined) return name === pattern;
  if (!name.startsWith(first)) return false;
  let at = first.length;
  for (const part of rest) {
    const found = name.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return name.length - last.length >= at && name.endsWith(last);
}
