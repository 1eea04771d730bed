import type { z } from "zod";
import type { Json } from "./values.ts";

/** What a caller may be allowed: to look, to start and stop things, to change who may. */
export type Scope = "read" | "control" | "admin";

/** Whoever calls, from the first day and also in-process. */
export interface Caller {
  /** For the audit and for "owner": a token's name, `"anonymous"`, `"administrator"`. */
  readonly name: string;
  readonly kind: "internal" | "socket" | "token" | "session" | "anonymous";
  readonly scopes: ReadonlySet<Scope>;
  /** Where it calls from, for the audit and for budgets: an address such as `"192.0.2.7"`; `undefined` within this machine. */
  readonly origin?: string | undefined;
  /** Which builders it may see; `null` for all. Asked with a builder's name, tags and project. */
  readonly visible: ((subject: VisibilitySubject) => boolean) | null;
  /** Of these, which it may control; `null`, or nothing, for all. Its scopes say whether it may control at all. */
  readonly controls?: ((subject: VisibilitySubject) => boolean) | null;
}

/** Some builders, as data: those that are named here, or are of one of the projects, or have one of the tags. */
export interface Narrowing {
  builders: string[] | null;
  projects: string[] | null;
  tags: string[] | null;
  /** Names of builders in which `*` stands for any text: `"app-*"`. */
  patterns?: string[] | null;
}

/** A caller as data, which any process of the master can make one of. See `Api.callerOf`. */
export interface CallerFacts {
  name: string;
  kind: "token" | "session" | "anonymous";
  /** A wider scope holds the narrower ones. */
  scopes: readonly Scope[];
  /** What it may see; `null` for everything. Who may not see everything has not the scope admin either. */
  sees: Narrowing | null;
  /** What of it it may control; `null` for all of it. */
  controls: Narrowing | null;
  origin?: string | undefined;
}

export interface VisibilitySubject {
  builder: string;
  tags: readonly string[];
  project: string;
}

export interface ApiContext {
  readonly caller: Caller;
  /** Aborts when the caller has gone. */
  readonly signal: AbortSignal;
}

/**
 * One method of the API. Defined once, it is on every protocol: the socket, JSON-RPC, XML-RPC, the
 * typed client and in-process calls. Parameters are checked by the schema before `call`.
 */
export interface ApiMethod<P extends z.ZodType = z.ZodType, R extends z.ZodType = z.ZodType> {
  /** `noun.verb`, such as `builds.list`. */
  readonly name: string;
  /** The scope a caller needs. */
  readonly permission: Scope;
  /** True for one that needs only "read" and belongs in the audit all the same. What needs more is always there. */
  readonly audited?: boolean;
  /** One sentence for the reference. */
  readonly summary: string;
  readonly params: P;
  readonly result: R;
  /**
   * Parameters of a call, for the reference and for the test that compares the tongues. It speaks of
   * the builder "runtests", its build 1 and what belongs to it, or of nothing.
   */
  readonly example: Json;
  /** A stable method keeps its name, its parameters and the fields of its result. Default "experimental". */
  readonly stability?: "stable" | "experimental";
  /**
   * What a call takes of the caller's budget (`access.budget` of the configuration), in units; for
   * calls that cost the master much. Default 0: as many as somebody likes.
   */
  readonly cost?: number;
  /**
   * True for an answer that holds until somebody commits or another configuration is loaded: it then
   * depends on nothing but the parameters, the database, the configuration and what the caller may
   * see. It may be given again without a call. Default: no answer does.
   */
  lasts?(answer: z.input<R>): boolean;
  /**
   * Where it is carried out when the web has a process of its own beside the engine's: `here` in the process that is
   * asked; `writer` where the database may be written, which on SQLite is the engine's process; `engine` in the
   * process that has the engine. If that one cannot be reached, what needs only "read" is answered here. Default:
   * `here` for what needs "read", else `writer`.
   */
  readonly place?: "here" | "writer" | "engine";
  /** May be called any number of times at once. Throws BelfryErrors. Must not wait without listening to `ctx.signal`. */
  call(params: z.output<P>, ctx: ApiContext): Promise<z.input<R>>;
}
