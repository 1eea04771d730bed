import type { z } from "zod";
import { BelfryError, messageOf } from "../errors/belfry-error.ts";

/** What is wrong with a configuration, and where. */
export interface Fault {
  /** Such as `builders[0].steps[2].options.command`; "" for the whole. */
  path: string;
  message: string;
  code?: string;
}

export type Report = (path: string, message: string, code?: string) => void;

type Issue = z.core.$ZodIssue;

/** A path as it is written in a program. */
export function pathOf(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, key) => {
    if (typeof key === "number") return `${text}[${key}]`;
    return text === "" ? String(key) : `${text}.${String(key)}`;
  }, "");
}

/** Reports what a schema found, each with its path; of a union, what the choice that comes closest found. */
export function reportIssues(issues: readonly Issue[], base: readonly PropertyKey[], report: Report): void {
  for (const issue of issues) {
    const path = [...base, ...issue.path];
    if (issue.code === "unrecognized_keys") {
      for (const key of issue.keys) report(pathOf([...path, key]), "is not known here");
    } else if (issue.code === "invalid_union" && issue.errors.length > 0) {
      const inside = issue.errors.find((choice) => choice.every((one) => one.path.length > 0));
      if (inside) reportIssues(inside, path, report);
      else report(pathOf(path), [...new Set(issue.errors.flat().map(textOf))].join(", or "));
    } else {
      report(pathOf(path), textOf(issue));
    }
  }
}

function textOf(issue: Issue): string {
  return issue.message.replace(/^Invalid input: /, "");
}

/** Does something that may refuse, and reports the refusal. True if it did not. */
export function attempt(report: Report, path: string, act: () => void): boolean {
  try {
    act();
    return true;
  } catch (error) {
    if (!BelfryError.is(error)) report(path, messageOf(error));
    else if (error.details.length === 0) report(path, `${error.what} ${error.why}`, error.code);
    else report(path, error.details.map((detail) => `${detail.path}: ${detail.message}`).join("; "), error.code);
    return false;
  }
}
