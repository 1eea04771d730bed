import { definePlugin } from "belfry";
import { anyBranch } from "./any-branch.ts";
import { dependent } from "./dependent.ts";
import { force } from "./force.ts";
import { nightly } from "./nightly.ts";
import { periodic } from "./periodic.ts";
import { singleBranch } from "./single-branch.ts";
import { triggerable } from "./triggerable.ts";

export type { Wanted, WantedOrNot } from "./change-filter.ts";
export type { ForceParameter } from "./force-parameters.ts";
export { anyBranch, dependent, force, nightly, periodic, singleBranch, triggerable };

export default definePlugin({
  name: "@belfry/schedulers",
  version: "0.1.0",
  parts: [anyBranch, singleBranch, periodic, nightly, dependent, triggerable, force],
});
