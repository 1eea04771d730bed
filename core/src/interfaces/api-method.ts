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
  /** Which builders it may see; `null` for all. Asked with a builder's name, tags and project. */
  readonly visible: ((subject: VisibilitySubject) => boolean) | null;
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
  /** One sentence for the reference. */
  readonly summary: string;
  readonly params: P;
  readonly result: R;
  /** Parameters of a call that works on any master, for the reference. */
  readonly example?: Json;
  readonly stability?: "stable" | "experimental";
  /** May be called any number of times at once. Throws BelfryErrors. Must not wait without listening to `ctx.signal`. */
  call(params: z.output<P>, ctx: ApiContext): Promise<z.input<R>>;
}
