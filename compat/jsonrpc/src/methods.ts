import type { Api, ApiMethod, Caller, Json, z } from "belfry";
import type { Version } from "./dialect.ts";
import { faults } from "./errors.ts";
import type { Subscriptions } from "./subscription-methods.ts";

/** How a method is called. */
export interface MethodCall {
  readonly caller: Caller;
  readonly signal: AbortSignal;
  /** Of the request: what is sent later in its name has the same form. */
  readonly version: Version;
  /** Where notifications can be begun, if this came over a connection that stays open. */
  readonly subscriptions?: Subscriptions | undefined;
}

/** A method of this package, beside those of the API. */
export interface OwnMethod<S extends z.ZodObject = z.ZodObject> {
  readonly name: string;
  readonly summary: string;
  readonly params: S;
  readonly result: z.ZodType;
  call(params: z.output<S>, call: MethodCall): Promise<Json>;
}

/** What can be called at one place. */
export interface Methods {
  /** In order of name. */
  list(): (ApiMethod | OwnMethod)[];
  find(name: string): ApiMethod | OwnMethod | undefined;
  call(name: string, params: unknown, call: MethodCall): Promise<Json>;
}

/** Gives a method its types. */
export function ownMethod<S extends z.ZodObject>(method: OwnMethod<S>): OwnMethod {
  return method as unknown as OwnMethod;
}

/** The methods of the API, and some more. The API checks everything itself; these here need the scope "read". */
export function methodsOf(api: Api, own: readonly OwnMethod[]): Methods {
  const mine = new Map(own.map((method) => [method.name, method]));
  let known = new Map<string, ApiMethod>();
  const ofApi = (name: string) => {
    if (!known.has(name)) known = new Map(api.methods().map((method) => [method.name, method]));
    return known.get(name);
  };
  return {
    list: () => [...api.methods(), ...own].sort((a, b) => (a.name < b.name ? -1 : 1)),
    find: (name) => mine.get(name) ?? ofApi(name),
    async call(name, params, call) {
      const method = mine.get(name);
      if (method === undefined) return api.call(name, params, call.caller, call.signal);
      if (!call.caller.scopes.has("read")) throw faults.forbidden(`"${name}"`);
      const checked = method.params.safeParse(params);
      if (checked.success) return method.call(checked.data, call);
      const details = checked.error.issues
        .slice(0, 50)
        .map(({ path, message }) => ({ path: path.join(".").slice(0, 200), message: message.slice(0, 200) }));
      throw faults.paramsInvalid(name, details);
    },
  };
}
