import type { z } from "zod";
import type { ApiMethod } from "../interfaces/api-method.ts";

/** A method whose name is known to the types, so that {@link MethodTable} can be made of it. */
export type NamedMethod<N extends string, P extends z.ZodType, R extends z.ZodType> = ApiMethod<P, R> & {
  readonly name: N;
};

/** Gives a method its types; returns it as it is. */
export function defineMethod<const N extends string, P extends z.ZodType, R extends z.ZodType>(
  method: ApiMethod<P, R> & { readonly name: N },
): NamedMethod<N, P, R> {
  return method;
}

/** Parameters and result of each of these methods, by name. */
export type MethodTable<M extends ApiMethod> = {
  [N in M["name"]]: {
    params: z.input<Extract<M, { name: N }>["params"]>;
    result: z.output<Extract<M, { name: N }>["result"]>;
  };
};
