import type { CreateContext, PartDefinition, Parts, Point, z } from "belfry";
import { systemClock } from "./system-clock.ts";

/**
 * Makes what a part's function stands for, without a master: checks the options with the part's own
 * schema, then calls its `create`. Throws zod's error when the options are refused. Options that
 * core takes away before (a step's `haltOnFailure` and the like, an entry's `name`) do not belong
 * here; give the name as `context.name`.
 */
export function createPart<P extends Point, S extends z.ZodType>(
  part: { readonly definition: PartDefinition<P, S> },
  options: z.input<S>,
  context: Partial<CreateContext> = {},
): Parts[P] {
  const whole = Object.defineProperties(lackingContext(), Object.getOwnPropertyDescriptors(context));
  return part.definition.create(part.definition.options.parse(options), whole);
}

function lackingContext(): CreateContext {
  return {
    name: "",
    clock: systemClock,
    folder: process.cwd(),
    stateFolder: process.cwd(),
    get container(): never {
      throw new Error("createPart was given no container: pass one as the third argument");
    },
    get store(): never {
      throw new Error("createPart was given no plugin store: pass one as the third argument");
    },
  };
}
