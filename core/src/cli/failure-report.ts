import { BelfryError, messageOf } from "../errors/belfry-error.ts";
import type { Json } from "../interfaces/values.ts";
import type { Paint } from "./paint.ts";
import { logLine, oneLine } from "./plain-text.ts";

/** A failure as three short lines: what happened, why, and what to do about it. */
export function failureText(error: unknown, paint: Paint): string {
  const { what, why, fix } = asKnown(error);
  const details = why.split("\n").map((line) => logLine(line, false));
  const reason = details.length === 1 ? details[0] : details.map((line) => `\n    ${line}`).join("");
  return [
    `${paint.red(paint.bold("error:"))} ${oneLine(what, 1_000)}`,
    `  ${paint.bold("why:")} ${reason}`,
    `  ${paint.bold("fix:")} ${oneLine(fix, 1_000)}`,
  ].join("\n");
}

/** The same as one JSON object, for `--json`. */
export function failureJson(error: unknown): Json {
  const { code, what, why, fix, details } = asKnown(error);
  return { error: { code, what, why, fix, details: details.map((detail) => ({ ...detail })) } };
}

function asKnown(error: unknown): Pick<BelfryError, "code" | "what" | "why" | "fix" | "details"> {
  if (BelfryError.is(error)) return error;
  const stack = process.env["BELFRY_DEBUG"] && error instanceof Error ? `\n${error.stack}` : "";
  return {
    code: "BELFRY_INTERNAL",
    what: "Something went wrong inside Belfry.",
    why: `${messageOf(error)}${stack}`,
    fix: "This is a fault of Belfry or of a plugin: please report it. With BELFRY_DEBUG=1 it tells where it happened.",
    details: [],
  };
}
