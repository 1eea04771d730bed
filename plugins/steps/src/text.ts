import { isRenderable, type Json, type Renderable, type RenderContext, renders, type StepContext, z } from "belfry";
import { faults } from "./errors.ts";

/** A text, or how to compute it. Numbers and booleans that come out become text. */
export type Text = string | Renderable<Json> | ((ctx: RenderContext) => Json | Promise<Json>);

/** A schema for {@link Text}; what is written as text must fit `literal`. */
export function text(
  literal: z.ZodType<string> = z.string().refine((value) => !value.includes("\0"), "must not hold a zero byte"),
) {
  return renders(literal) as unknown as z.ZodType<Text, Text>;
}

export const isComputed = (value: unknown): boolean => typeof value === "function" || isRenderable(value);

/** Computes a text that is not empty. `where` names step and option in the error. */
export async function renderText(
  ctx: StepContext,
  value: Text,
  ...where: [step: string, option: string]
): Promise<string> {
  const computed: unknown = await ctx.render(value as unknown);
  const rendered = asText(computed);
  if (rendered === undefined || rendered === "" || rendered.includes("\0")) {
    throw faults.computedWrong(...where, "a text that is not empty and holds no zero byte", computed);
  }
  return rendered;
}

/** The text of a value that is one, or a number or boolean; `undefined` for everything else. */
export function asText(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  return typeof value === "number" || typeof value === "boolean" ? String(value) : undefined;
}

/** One short line: no line ends, at most `limit` characters. */
export function oneLine(value: string, limit = 200): string {
  const line = value
    .slice(0, limit * 4)
    .replace(/\s+/g, " ")
    .trim();
  return line.length > limit ? `${line.slice(0, limit - 1).trimEnd()}…` : line;
}
