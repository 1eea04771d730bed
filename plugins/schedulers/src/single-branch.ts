import { defineScheduler, z } from "belfry";
import { BranchScheduler, branchOptions } from "./branch-scheduler.ts";

/** Builds one branch when it changes. */
export const singleBranch = defineScheduler({
  kind: "singleBranch",
  options: z.strictObject({
    ...branchOptions,
    branch: z.string().min(1).nullable().describe("the branch's exact name; null for changes that have none"),
  }),
  create: ({ branch, ...settings }, ctx) => new BranchScheduler(ctx.name, settings, (name) => name === branch, branch),
});
