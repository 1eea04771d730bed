import { type StepContext, z } from "belfry";
import { faults } from "./errors.ts";
import { isComputed, renderText, type Text, text } from "./text.ts";

/** A schema for a path on the worker: relative to the build's folder, or absolute. */
export const path = text(
  z
    .string()
    .min(1)
    .refine((value) => !value.includes("\0"), "must not hold a zero byte"),
);

/**
 * Computes a path. One that is written in the configuration is taken as it is; one that is computed
 * has to stay within the build's folder.
 */
export async function renderPath(
  ctx: StepContext,
  value: Text,
  ...where: [step: string, option: string]
): Promise<string> {
  const rendered = await renderText(ctx, value, ...where);
  if (isComputed(value) && !isWithin(ctx.worker.folder, rendered)) throw faults.pathOutside(...where);
  return rendered;
}

/** True if the path is the folder or something in it, whichever system the worker has. */
function isWithin(folder: string, path: string): boolean {
  return placeOf(folder, path)?.slice(0, parts(folder).length).join("/") === parts(folder).join("/");
}

/** True if the path is the folder or one of those above it. */
export function holds(path: string, folder: string): boolean {
  const place = placeOf(folder, path);
  return place === undefined || place.every((part, i) => part === parts(folder)[i]);
}

/** The absolute path in parts, or `undefined` where it climbs over the root. */
function placeOf(folder: string, path: string): string[] | undefined {
  const place = /^([\\/]|[a-zA-Z]:)/.test(path) ? [] : parts(folder);
  for (const part of parts(path)) {
    if (part !== "..") place.push(part);
    else if (place.pop() === undefined) return undefined;
  }
  return place;
}

function parts(path: string): string[] {
  return path.split(/[\\/]+/).filter((part) => part !== "" && part !== ".");
}
