import { z } from "zod";

/** What went wrong with a part, as it is shown. */
export const failureShape = z.object({ message: z.string(), code: z.string().nullable() }).nullable();

export function readFailure(text: string | null): { message: string; code: string | null } | null {
  return text === null ? null : JSON.parse(text);
}
