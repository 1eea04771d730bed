import type { ApiMethod, Caller, CallerFacts } from "../interfaces/api-method.ts";
import type { Json } from "../interfaces/values.ts";

/**
 * The status and control methods, bound by every protocol. Resolved from a plugin's container by
 * `TOKENS.api`, at the earliest in a service's `start`.
 */
export interface Api {
  /** All methods, in order of name. */
  methods(): readonly ApiMethod[];
  /**
   * Checks name, caller's scope and parameters, and calls. Every failure is a BelfryError:
   * `BELFRY_METHOD_UNKNOWN`, `BELFRY_PARAMS_INVALID`, `BELFRY_FORBIDDEN`, `BELFRY_NOT_FOUND`, one
   * of the method itself, or `BELFRY_INTERNAL` with a number that is in the master's log too.
   * The result is plain JSON, shared with whoever else asks the same: do not change it.
   */
  call(name: string, params: unknown, caller: Caller, signal?: AbortSignal): Promise<Json>;
  /** The caller behind a token such as `belfry_…`; `undefined` if it is unknown, expired or revoked. */
  authenticate(token: string): Promise<Caller | undefined>;
  /** Who comes without a token; without the scope "read" unless the configuration allows anonymous reading. */
  anonymous(): Caller;
  /**
   * The caller that these facts tell of, for plugins that know other credentials than tokens. It sees no more than
   * the configuration's rule lets it, and calls of it may be carried out by another process of this master.
   */
  callerOf(facts: CallerFacts): Caller;
}
