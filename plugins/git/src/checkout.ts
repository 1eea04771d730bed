import {
  BelfryError,
  type BuildStep,
  defineStep,
  type Json,
  renders,
  type SourceStampSpec,
  type StepContext,
  type StepResult,
  z,
} from "belfry";
import { pullLfs } from "./lfs.ts";
import { checkRemote, findStamp, openGit, remoteOptions, treeFolder } from "./remote-options.ts";
import { retried, say } from "./retried.ts";
import { placeSubmodules } from "./submodules.ts";
import { type Clean, type Wanted, WorkTree } from "./work-tree.ts";
import type { WorkerGit } from "./worker-git.ts";

const options = z.strictObject({
  ...remoteOptions,
  branch: renders(z.string().min(1).nullable()).optional().describe("default: the source stamp's"),
  revision: renders(z.string().min(1).nullable())
    .optional()
    .describe("null for the newest of the branch; default: the source stamp's"),
  mode: z.enum(["incremental", "full"]).default("incremental").describe("full removes everything and clones anew"),
  clean: z
    .enum(["none", "untracked", "ignored"])
    .default("none")
    .describe("what incremental removes besides resetting what git tracks"),
  depth: z.int().min(1).max(1_000_000).optional().describe("fetch only so many commits"),
  filter: z
    .string()
    .regex(/^(blob:none|blob:limit=\d{1,12}[kmg]?|tree:\d{1,4})$/, 'expected "blob:none", "blob:limit=1m" or "tree:0"')
    .optional()
    .describe("leave out objects until they are needed"),
  reference: z
    .string()
    .min(1)
    .max(1_000)
    .refine((text) => !/^-|["\p{Cc}]/u.test(text), 'expected a path without quotes that does not start with "-"')
    .optional()
    .describe("a repository on the worker whose objects may be used, if it is there"),
  submodules: z.boolean().default(false).describe("check out submodules, and theirs"),
  lfs: z.boolean().default(true).describe("fetch the files that are kept in Git LFS, if there are any"),
  tags: z.boolean().default(false).describe("fetch the tags as well"),
});

type CheckoutOptions = z.output<typeof options>;

/** Brings the build's commit into the build's folder; see the README for every option. */
export const gitCheckout = defineStep({
  kind: "checkout",
  options,
  create(given, ctx): BuildStep {
    checkRemote(given, ctx.folder);
    return { name: "git checkout", run: (step) => checkOut(given, ctx.folder, step) };
  },
});

async function checkOut(given: CheckoutOptions, folder: string, ctx: StepContext): Promise<StepResult> {
  const stamp = findStamp(ctx, given.codebase);
  const rendered = await ctx.render({ branch: given.branch, revision: given.revision });
  const wanted = chooseRevision(rendered as { branch?: string | null; revision?: string | null }, stamp, given);
  const git = await openGit(given, ctx, folder);
  const tree = new WorkTree(ctx, git, treeFolder(given), wanted);
  const sha = await retried(given, ctx, () => bring(given, ctx, git, tree));
  if (stamp?.patch) await tree.patch(stamp.patch);
  setProperties(ctx, given.codebase, wanted.branch, sha);
  const patched = stamp?.patch ? ", patched" : "";
  return {
    result: "success",
    summary: `${sha.slice(0, 7)}${wanted.branch === null ? "" : ` on ${wanted.branch}`}${patched}`,
  };
}

/** A branch of the step's own makes the stamp's revision mean nothing, unless it is the same branch. */
function chooseRevision(
  own: { branch?: string | null; revision?: string | null },
  stamp: Required<SourceStampSpec> | undefined,
  { depth, filter, reference, tags }: CheckoutOptions,
): Wanted {
  const branch = own.branch === undefined ? (stamp?.branch ?? null) : own.branch;
  const stamped = branch === (stamp?.branch ?? null) ? (stamp?.revision ?? null) : null;
  const revision = own.revision === undefined ? stamped : own.revision;
  return { branch: branch || null, revision: revision || null, depth, filter, reference, tags };
}

/** One attempt. A clone that turns out to be broken is made anew. */
async function bring(given: CheckoutOptions, ctx: StepContext, git: WorkerGit, tree: WorkTree): Promise<string> {
  const clean: Clean = given.mode === "full" ? "none" : given.clean;
  const found = given.mode === "full" ? "useless" : await tree.inspect();
  const fresh = async (format?: string) => {
    await tree.wipe();
    await tree.init(format);
    return use();
  };
  const use = async () => {
    const sha = await tree.bring();
    await tree.place(sha, clean);
    const submodules = given.submodules
      ? await placeSubmodules(ctx, git, { path: treeFolder(given), depth: given.depth, clean })
      : [];
    if (given.lfs) await pullLfs(git, submodules);
    return sha;
  };
  if (found === "absent") await tree.init();
  try {
    return await (found === "useless" ? fresh() : use());
  } catch (error) {
    ctx.signal.throwIfAborted();
    if (!BelfryError.is(error) || error.code !== "BELFRY_GIT_FAILED") throw error;
    const format = /algorithms: client \w+; server (sha\d+)/.exec(error.why)?.[1];
    if (found !== "usable" && format === undefined) throw error;
    await say(ctx, `${error.what} ${error.why}\nEverything in the folder is removed and cloned anew.\n`);
    return fresh(format);
  }
}

/** With codebases `gotRevision` is an object: codebase to hash. */
function setProperties(ctx: StepContext, codebase: string, branch: string | null, sha: string): void {
  const { properties } = ctx;
  if (codebase === "") {
    properties.set("gotRevision", sha);
    if (branch !== null) properties.set("branch", branch);
    return;
  }
  const others = properties.get("gotRevision");
  const isObject = typeof others === "object" && others !== null && !Array.isArray(others);
  properties.set("gotRevision", { ...(isObject ? (others as Record<string, Json>) : {}), [codebase]: sha });
}
