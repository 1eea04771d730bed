import { duration, renders, type StepContext, z } from "belfry";
import { faults } from "./errors.ts";
import { Login } from "./login.ts";
import { isRefName } from "./ref-name.ts";
import { treeFolder } from "./remote-options.ts";
import { treePath } from "./tree-path.ts";
import { WorkerGit } from "./worker-git.ts";

/** Options of every step that works on a checkout and asks no other repository. */
export const treeOptions = {
  codebase: z.string().max(200).default("").describe("of the checkout"),
  path: treePath.optional().describe("folder of the checkout; default: the codebase, or ."),
  timeout: duration
    .refine((ms) => ms > 0, "expected more than 0")
    .prefault("1h")
    .describe("ends a single git command"),
  env: renders(z.record(z.string(), renders(z.string().nullable()))).default({}),
};

const schema = z.strictObject(treeOptions);
export type TreeOptions = z.output<typeof schema>;

/** In whose name something is written. */
export const person = z.strictObject({
  name: renders(z.string().min(1).max(300)),
  email: renders(z.string().max(300)),
});

type Person = z.output<typeof person>;

/** Git in a checkout that an earlier step made. */
export async function openTree(given: TreeOptions, ctx: StepContext): Promise<WorkerGit> {
  const folder = treeFolder(given);
  const git = new WorkerGit(ctx, {
    login: new Login({ url: folder === "." ? "the checkout" : `the checkout in ${folder}`, kind: "local" }, {}),
    path: folder,
    trusted: false,
    protocols: "",
    env: (await ctx.render(given.env)) as Record<string, string | null>,
    timeout: given.timeout,
  });
  await checkTree(git, ctx, folder);
  return git;
}

/** Throws `BELFRY_GIT_NO_WORK_TREE` where there is no checkout. */
export async function checkTree(git: WorkerGit, ctx: StepContext, folder: string): Promise<void> {
  const path = folder === "." ? ".git" : `${folder}/.git`;
  if (!(await ctx.worker.exists(path)) || (await findCommit(git, "HEAD")) === undefined)
    throw faults.noWorkTree(folder);
}

/** A commit's hash, by a name that was checked here. */
export async function findCommit(git: WorkerGit, revision: string): Promise<string | undefined> {
  if (revision !== "HEAD" && !isRefName(revision)) throw faults.nameInvalid("revision", revision);
  const { ok, stdout } = await git.ask([
    "rev-parse",
    "--verify",
    "--quiet",
    "--end-of-options",
    `${revision}^{commit}`,
  ]);
  return ok ? stdout.trim() : undefined;
}

/** Settings that keep git from making up a name out of the user's and the machine's. */
export const OWN_NAME = ["-c", "user.useConfigOnly=true"];

export async function personEnvironment(
  ctx: StepContext,
  author: Person | undefined,
  committer: Person | undefined = author,
): Promise<Record<string, string>> {
  const [by, for_] = (await ctx.render([author ?? null, committer ?? author ?? null])) as ({
    name: string;
    email: string;
  } | null)[];
  return {
    ...(by ? { GIT_AUTHOR_NAME: by.name, GIT_AUTHOR_EMAIL: by.email } : {}),
    ...(for_ ? { GIT_COMMITTER_NAME: for_.name, GIT_COMMITTER_EMAIL: for_.email } : {}),
  };
}

/** True if git would not write, since it does not know in whose name. */
export function isNameMissing(stderr: string): boolean {
  return /tell me who you are|empty ident name|auto-detection is disabled|no (name|email) was given/i.test(stderr);
}
