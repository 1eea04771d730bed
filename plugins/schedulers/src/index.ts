import { definePlugin } from "belfry";
import { anyBranch } from "./any-branch.ts";
import { force } from "./force.ts";
import { singleBranch } from "./single-branch.ts";

export type { Wanted } from "./change-filter.ts";
export { anyBranch, force, singleBranch };

export default definePlugin({
  name: "@belfry/schedulers",
  version: "0.1.0",
  parts: [anyBranch, singleBranch, force],
});
