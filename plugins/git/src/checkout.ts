import {
  BelfryError,
  type BuildStep,
  defineStep,
  duration,
  type Json,
  renders,
  type SourceStampSpec,
  type StepContext,
  type StepResult,
  sleep,
  z,
} from "belfry";
import { faults } from "./errors.ts";
import { parseAddress } from "./repository-address.ts";
import { type Clean, type Wanted, WorkTree } from "./work-tree.ts";
import { WorkerGit } from "./worker-git.ts";

const path = z
  .string()
  .min(1)
  .max(500)
  .refine(
    (text) => text.split("/").every((part) => part !== ".." && part !== ".git"),
    'expected a path without ".." and ".git"',
  )
  .refine(
    (text) => !/^([/\\~-]|[A-Za-z]:)|[\p{Cc}\\]/u.test(text),
    "expected a path relative to the build's folder, with /",
  );

const options = z.strictObject({
  repository: renders(z.string().min(1)).optional().describe("path or URL; default: the source stamp's"),
  branch: renders(z.string().min(1).nullable()).optional().describe("default: the source stamp's"),
  revision: renders(z.string().min(1).nullable())
    .optional()
    .describe("null for the newest of the branch; default: the source stamp's"),
  codebase: z.string().max(200).default("").describe("which source stamp of the build"),
  mode: z.enum(["incremental", "full"]).default("incremental").describe("full removes everything and clones anew"),
  clean: z
    .enum(["none", "untracked", "ignored"])
    .default("none")
    .describe("what incremental removes besides resetting what git tracks"),
  path: path.default(".").describe("folder of the work tree, in the build's folder"),
  depth: z.int().min(1).max(1_000_000).optional().describe("fetch only so many commits"),
  tags: z.boolean().default(false).describe("fetch the tags as well"),
  retries: z.int().min(0).max(100).default(2).describe("how often to try again when the repository cannot be reached"),
  retryDelay: duration.prefault("10s"),
  timeout: duration
    .refine((ms) => ms > 0, "expected more than 0")
    .prefault("1h")
    .describe("ends a single git command"),
  env: renders(z.record(z.string(), renders(z.string().nullable()))).default({}),
  trusted: z.boolean().default(false).describe("take a local repository although its files belong to another user"),
});

type CheckoutOptions = z.output<typeof options>;

/** Brings the build's commit into the build's folder; see the README for every option. */
export const gitCheckout = defineStep({
  kind: "checkout",
  options,
  create(given, ctx): BuildStep {
    // Found at start rather than in the first build.
    if (typeof given.repository === "string") parseAddress(given.repository, ctx.folder);
    return { name: "git checkout", run: (step) => checkOut(given, ctx.folder, step) };
  },
});

async function checkOut(given: CheckoutOptions, folder: string, ctx: StepContext): Promise<StepResult> {
  const stamp = ctx.build.sourceStamps.find((each) => each.codebase === given.codebase);
  const rendered = await ctx.render({
    repository: given.repository,
    branch: given.branch,
    revision: given.revision,
    env: given.env,
  });
  const repository = (rendered.repository as string | undefined) ?? stamp?.repository ?? "";
  if (repository === "") throw faults.noSource(given.codebase);
  const wanted = chooseRevision(rendered as { branch?: string | null; revision?: string | null }, stamp, given);
  const address = parseAddress(repository, folder);
  const env = rendered.env as Record<string, string | null>;
  const git = new WorkerGit(ctx, { address, path: given.path, trusted: given.trusted, env, timeout: given.timeout });
  const tree = new WorkTree(ctx, git, given.path, wanted);
  const sha = await retried(given, ctx, () => bring(given, ctx, tree));
  if (stamp?.patch) await tree.patch(stamp.patch.level, stamp.patch.body);
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
  { depth, tags }: CheckoutOptions,
): Wanted {
  const branch = own.branch === undefined ? (stamp?.branch ?? null) : own.branch;
  const stamped = branch === (stamp?.branch ?? null) ? (stamp?.revision ?? null) : null;
  const revision = own.revision === undefined ? stamped : own.revision;
  return { branch: branch || null, revision: revision || null, depth, tags };
}

/** One attempt. A clone that turns out to be broken is made anew. */
async function bring(given: CheckoutOptions, ctx: StepContext, tree: WorkTree): Promise<string> {
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

async function retried<T>(given: CheckoutOptions, ctx: StepContext, attempt: () => Promise<T>): Promise<T> {
  for (let left = given.retries; ; left--) {
    try {
      return await attempt();
    } catch (error) {
      ctx.signal.throwIfAborted();
      const isPassing = BelfryError.is(error) && ["BELFRY_GIT_UNREACHABLE", "BELFRY_GIT_TIMEOUT"].includes(error.code);
      if (BelfryError.is(error)) await say(ctx, `${error.message}\n`);
      if (!isPassing || left <= 0) throw error;
      await say(ctx, `Next attempt in ${given.retryDelay / 1_000} s; ${left} left.\n`);
      ctx.progress("waiting for the repository");
      await sleep(ctx.clock, given.retryDelay, ctx.signal);
    }
  }
}

async function say(ctx: StepContext, text: string): Promise<void> {
  await ctx.log("stdio").write(text, "header");
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
