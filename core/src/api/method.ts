import type { z } from "zod";
import type { ApiMethod } from "../interfaces/api-method.ts";

/** Gives a method its types; returns it as it is. */
export function defineMethod<P extends z.ZodType, R extends z.ZodType>(method: ApiMethod<P, R>): ApiMethod {
  return method as unknown as ApiMethod;
}
