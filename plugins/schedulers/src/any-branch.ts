import { defineScheduler, z } from "belfry";
import { BranchScheduler, branchOptions } from "./branch-scheduler.ts";
import { compilePatterns, patterns } from "./patterns.ts";

/** Builds every branch that changes, each with a timer of its own. */
export const anyBranch = defineScheduler({
  kind: "anyBranch",
  options: z.strictObject({
    ...branchOptions,
    branches: patterns.optional().describe('patterns of branches, such as "release/*" or "!wip/**"; all if left out'),
  }),
  create({ branches, ...settings }, ctx) {
    const fits = branches === undefined ? undefined : compilePatterns(branches);
    return new BranchScheduler(
      ctx.name,
      settings,
      (branch) => fits === undefined || (branch !== null && fits(branch)),
      null,
    );
  },
});
