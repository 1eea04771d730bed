import { type BuildStep, defineStep, renders, type StepContext, type StepResult, z } from "belfry";
import { faults } from "./errors.ts";
import { lastWords } from "./git-fault.ts";
import { treeFolder } from "./remote-options.ts";
import {
  findCommit,
  isNameMissing,
  OWN_NAME,
  openTree,
  person,
  personEnvironment,
  treeOptions,
} from "./tree-options.ts";

const options = z.strictObject({
  ...treeOptions,
  message: renders(
    z
      .string()
      .min(1)
      .max(64 * 1024),
  ),
  paths: renders(
    z
      .array(renders(z.string().min(1).max(4_096)))
      .min(1)
      .max(1_000),
  )
    .default(["."])
    .describe("what goes into the commit, besides what is in the index already"),
  author: person.optional().describe("default: the worker's git configuration"),
  committer: person.optional().describe("default: the author"),
  empty: z.enum(["skip", "commit", "fail"]).default("skip").describe("what to do if there is nothing to commit"),
  property: z.string().min(1).max(255).default("commitRevision").describe("which property gets the commit's hash"),
});

type CommitOptions = z.output<typeof options>;

/** Commits what the build changed, on top of what was checked out; see the README for every option. */
export const gitCommit = defineStep({
  kind: "commit",
  options,
  create(given): BuildStep {
    treeFolder(given);
    return { name: "git commit", run: (ctx) => commit(given, ctx) };
  },
});

async function commit(given: CommitOptions, ctx: StepContext): Promise<StepResult> {
  const { message, paths } = (await ctx.render({ message: given.message, paths: given.paths })) as {
    message: string;
    paths: string[];
  };
  const git = await openTree(given, ctx);
  const added = await git.try(["add", "--all", "--", ...paths]);
  if (!added.ok) throw faults.commitFailed(lastWords(added.stderr));
  const staged = await git.ask(["diff", "--cached", "--quiet", "--no-ext-diff"]);
  if (staged.code !== 0 && staged.code !== 1) throw git.fault(staged);
  const isEmpty = staged.ok;
  if (isEmpty && given.empty === "skip") return { result: "success", summary: "nothing to commit" };
  if (isEmpty && given.empty === "fail") throw faults.nothingToCommit();
  const flags = ["--quiet", "--file=-", "--cleanup=whitespace", "--no-verify", "--no-gpg-sign"];
  const made = await git.try([...OWN_NAME, "commit", ...flags, ...(isEmpty ? ["--allow-empty"] : [])], {
    input: message,
    env: await personEnvironment(ctx, given.author, given.committer),
  });
  if (!made.ok) throw isNameMissing(made.stderr) ? faults.identity() : faults.commitFailed(lastWords(made.stderr));
  const sha = (await findCommit(git, "HEAD")) ?? "";
  ctx.properties.set(given.property, sha);
  const [subject = ""] = message.trim().split("\n");
  return { result: "success", summary: `${sha.slice(0, 7)} ${subject}`.slice(0, 200) };
}
