import { z } from "zod";

/** What went wrong with a part, as it is shown. */
export const failureShape = z.object({ message: z.string(), code: z.string().nullable() }).nullable();

export function readFailure(text: string | null): { message: string; code: string | null } | null {
  if (text === null) return null;
  const { message, code } = JSON.parse(text) as { message: string; code: string | null };
  return { message, code };
}
