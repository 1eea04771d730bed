import { type BuildStep, defineStep, renders, type StepContext, type StepResult, z } from "belfry";
import { faults } from "./errors.ts";
import { lastWords } from "./git-fault.ts";
import { isRefName } from "./ref-name.ts";
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
  tag: renders(z.string().min(1).max(250)),
  message: renders(
    z
      .string()
      .min(1)
      .max(64 * 1024),
  )
    .optional()
    .describe("makes an annotated tag"),
  revision: renders(z.string().min(1)).default("HEAD").describe("what is tagged"),
  tagger: person.optional().describe("default: the worker's git configuration"),
  force: z.boolean().default(false).describe("move a tag that is there"),
});

type TagOptions = z.output<typeof options>;

/** Tags a commit in the checkout; see the README for every option. */
export const gitTag = defineStep({
  kind: "tag",
  options,
  create(given): BuildStep {
    treeFolder(given);
    return { name: "git tag", run: (ctx) => makeTag(given, ctx) };
  },
});

async function makeTag(given: TagOptions, ctx: StepContext): Promise<StepResult> {
  const { tag, message, revision } = (await ctx.render({
    tag: given.tag,
    message: given.message,
    revision: given.revision,
  })) as { tag: string; message?: string; revision: string };
  if (!isRefName(tag) || tag.startsWith("refs/")) throw faults.nameInvalid("tag", tag);
  const git = await openTree(given, ctx);
  const sha = await findCommit(git, revision);
  if (sha === undefined) throw faults.revisionUnknown(git.address.url, revision);
  const before = await findCommit(git, `refs/tags/${tag}`);
  if (before === sha && !given.force) return { result: "success", summary: `${tag} is there already` };
  if (before !== undefined && !given.force) throw faults.tagExists(tag, before);
  const flags = message === undefined ? [] : ["--annotate", "--file=-", "--cleanup=whitespace"];
  const force = given.force ? ["--force"] : [];
  const args = [...OWN_NAME, "tag", "--no-sign", ...flags, ...force, "--end-of-options", tag, sha];
  const made = await git.try(args, {
    ...(message === undefined ? {} : { input: message }),
    env: await personEnvironment(ctx, given.tagger),
  });
  if (made.ok) return { result: "success", summary: `${tag} at ${sha.slice(0, 7)}` };
  if (isNameMissing(made.stderr)) throw faults.identity();
  throw /cannot lock ref|is not a valid tag name/i.test(made.stderr)
    ? faults.tagExists(tag, `odds with another one: ${lastWords(made.stderr)}`)
    : git.fault(made);
}
