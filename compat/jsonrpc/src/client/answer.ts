import { BelfryError, type Json } from "belfry";
import { clientFaults } from "./errors.ts";

type Words = Partial<Record<"code" | "what" | "why" | "fix" | "details", unknown>>;

/** As JSON-RPC has it, or as the HTTP server says it where nothing is mounted. */
export interface LooseError extends Words {
  message?: unknown;
  data?: Words | null;
}

interface LooseAnswer {
  result?: Json;
  error?: LooseError | null;
}

/** The result in an answer of JSON-RPC; throws the error in it, as it was thrown at the master. */
export function resultOf(answer: unknown, where: string): Json {
  if (typeof answer !== "object" || answer === null || Array.isArray(answer))
    throw clientFaults.answerStrange(where, "The answer is not an object.");
  const { result, error } = answer as LooseAnswer;
  if (error !== undefined && error !== null) throw errorOf(error, where);
  if (result === undefined) throw clientFaults.answerStrange(where, "The answer has neither a result nor an error.");
  return result;
}

/** An error as what it was before. */
export function errorOf(error: LooseError, where: string): BelfryError {
  const text = (value: unknown) => (typeof value === "string" ? value : "");
  const words = error.data ?? error;
  if (!text(words.code).startsWith("BELFRY_"))
    return clientFaults.answerStrange(where, `It answered with error ${String(error.code)}: ${text(error.message)}`);
  const { code, what, why, fix, details } = words;
  return new BelfryError(
    text(code),
    { what: text(what), why: text(why), fix: text(fix) },
    { details: Array.isArray(details) ? details : [] },
  );
}
