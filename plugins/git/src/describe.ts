import { type BuildStep, defineStep, type StepContext, type StepResult, z } from "belfry";
import { faults } from "./errors.ts";
import { lastWords } from "./git-fault.ts";
import { treeFolder } from "./remote-options.ts";
import { openTree, treeOptions } from "./tree-options.ts";

const patterns = z.array(z.string().min(1).max(200)).max(100).default([]);

const options = z.strictObject({
  ...treeOptions,
  property: z.string().min(1).max(255).default("description").describe("which property gets the text"),
  annotated: z.boolean().default(false).describe("only annotated tags count"),
  match: patterns.describe("globs of the tags that count"),
  exclude: patterns.describe("globs of tags that do not count"),
  firstParent: z.boolean().default(false).describe("follow only the first parent of merges"),
  long: z.boolean().default(false).describe("the long form for a commit that has the tag itself, too"),
  abbrev: z.int().min(0).max(64).optional().describe("digits of the hash; 0 leaves the tag alone"),
  dirty: z
    .union([z.boolean(), z.string().max(50)])
    .default(false)
    .describe('mark a changed work tree: true for "-dirty", or another mark'),
  always: z.boolean().default(false).describe("a hash where no tag fits"),
});

type DescribeOptions = z.output<typeof options>;

/** Sets a property to what `git describe` says of the checkout; see the README for every option. */
export const gitDescribe = defineStep({
  kind: "describe",
  options,
  create(given): BuildStep {
    treeFolder(given);
    return { name: "git describe", run: (ctx) => describe(given, ctx) };
  },
});

async function describe(given: DescribeOptions, ctx: StepContext): Promise<StepResult> {
  const git = await openTree(given, ctx);
  const answer = await git.try([
    "describe",
    ...(given.annotated ? [] : ["--tags"]),
    ...given.match.map((glob) => `--match=${glob}`),
    ...given.exclude.map((glob) => `--exclude=${glob}`),
    ...(given.firstParent ? ["--first-parent"] : []),
    ...(given.long ? ["--long"] : []),
    ...(given.abbrev === undefined ? [] : [`--abbrev=${given.abbrev}`]),
    ...(given.dirty === false ? [] : [given.dirty === true ? "--dirty" : `--dirty=${given.dirty}`]),
    ...(given.always ? ["--always"] : []),
  ]);
  if (!answer.ok) {
    const said = await git.ask(["rev-parse", "--is-shallow-repository"]);
    throw faults.describeFailed(lastWords(answer.stderr), said.stdout.trim() === "true");
  }
  const text = answer.stdout.trim();
  ctx.properties.set(given.property, text);
  return { result: "success", summary: text };
}
