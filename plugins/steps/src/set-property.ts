import { type BuildStep, defineStep, type Json, type Renderable, type RenderContext, z } from "belfry";
import { faults } from "./errors.ts";
import { isJson } from "./json-value.ts";
import { propertyName } from "./property-name.ts";

/** A value that may be computed, as a whole or in parts. */
export type Value =
  | null
  | boolean
  | number
  | string
  | Renderable<Json>
  | ((ctx: RenderContext) => Json | Promise<Json>)
  | Value[]
  | { [key: string]: Value };

/** Sets a property of the build, for the steps after it. */
export const setProperty = defineStep({
  kind: "setProperty",
  options: z.strictObject({
    property: propertyName.describe("name of the property"),
    value: z
      .custom<Value>((value) => value !== undefined, "expected a value")
      .describe("its value, or how to compute it"),
  }),
  create({ property, value }): BuildStep {
    const name = `set ${property}`;
    return {
      name,
      resumable: true,
      async run(ctx) {
        const computed: unknown = await ctx.render(value as unknown);
        if (!isJson(computed)) throw faults.computedWrong(name, "value", "a value of JSON", computed);
        ctx.signal.throwIfAborted();
        ctx.properties.set(property, computed);
        return { result: "success" };
      },
    };
  },
});
