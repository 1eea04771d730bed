import type { Api, ApiMethod } from "belfry";
import { type Family, type Method, plainFault } from "./family.ts";
import { namedParams } from "./positions.ts";
import { helpOf, signaturesOf } from "./signatures.ts";

/** Every method of the API, under its own name. */
export function nativeMethods(api: Api): Family {
  let known = new Map<string, Method>();
  const bound = (method: ApiMethod): Method => ({
    get help() {
      return helpOf(method);
    },
    get signatures() {
      return signaturesOf(method);
    },
    call: (params, { caller, signal }) => api.call(method.name, namedParams(method, params), caller, signal),
  });
  const names = () => api.methods().map(({ name }) => name);
  return {
    names,
    get(name) {
      if (!known.has(name)) known = new Map(api.methods().map((method) => [method.name, bound(method)]));
      return known.get(name);
    },
    fault: plainFault,
  };
}
