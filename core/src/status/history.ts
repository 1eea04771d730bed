import type { Api } from "../api/api.ts";
import type { Caller } from "../interfaces/api-method.ts";
import type { Json } from "../interfaces/values.ts";

/**
 * What was ever committed, for all masters. The same answers as the API's reading methods, for one
 * caller; a fixed recording of answers can stand in for it.
 */
export interface History {
  /** Calls a reading method such as `builds.list`. */
  ask(method: string, params?: Json): Promise<Json>;
}

export function apiHistory(api: Api, caller: Caller): History {
  return { ask: (method, params = {}) => api.call(method, params, caller) };
}
