import { posix } from "node:path";
import { type BuildStep, defineStep, type Json, renders, type StepContext, type StepResult, z } from "belfry";
import { faults } from "./errors.ts";
import { isRefMissing, lastWords } from "./git-fault.ts";
import { type PushLine, readPush } from "./push-report.ts";
import { branchRef, isHash, isRefName } from "./ref-name.ts";
import { checkRemote, findStamp, openGit, remoteOptions, treeFolder } from "./remote-options.ts";
import { maskText } from "./repository-address.ts";
import { retried, say } from "./retried.ts";
import { checkTree, findCommit, isNameMissing, OWN_NAME, person, personEnvironment } from "./tree-options.ts";
import type { GitAnswer, WorkerGit } from "./worker-git.ts";

const ONTO = "refs/belfry/onto";

const options = z
  .strictObject({
    ...remoteOptions,
    branch: renders(z.string().min(1).nullable())
      .optional()
      .describe("where to push to, or a whole ref; null for no branch; default: the source stamp's branch"),
    revision: renders(z.string().min(1)).default("HEAD").describe("what is pushed to the branch"),
    tags: renders(z.array(renders(z.string().min(1))).max(100))
      .default([])
      .describe("tags to push"),
    force: z.boolean().default(false).describe("replace what is there, if it is what this build knows (with a lease)"),
    expect: renders(z.string().nullable())
      .optional()
      .describe("with force: the hash that the branch has to have now; null for none"),
    races: z
      .int()
      .min(0)
      .max(20)
      .default(0)
      .describe("how often to rebase and push again when somebody else was faster"),
    committer: person.optional().describe("who rebases; default: the worker's git configuration"),
  })
  .refine(({ force, expect }) => force || expect === undefined, {
    path: ["expect"],
    error: "expected only with `force`",
  })
  .refine(
    ({ force, races, revision, tags }) =>
      races === 0 || (!force && revision === "HEAD" && Array.isArray(tags) && tags.length === 0),
    {
      path: ["races"],
      error: "expected 0 with `force`, `revision` or `tags`: a rebase makes other commits than those",
    },
  );

type PushOptions = z.output<typeof options>;

interface Target {
  /** The whole ref. */
  ref: string;
  /** What it has to be now, with `force`; "" for nothing. */
  lease: string | undefined;
}

/** Pushes the build's commits and tags; see the README for every option. */
export const gitPush = defineStep({
  kind: "push",
  options,
  create(given, ctx): BuildStep {
    checkRemote(given, ctx.folder);
    return { name: "git push", run: (step) => push(given, ctx.folder, step) };
  },
});

async function push(given: PushOptions, folder: string, ctx: StepContext): Promise<StepResult> {
  const { branch, revision, tags, expect } = (await ctx.render({
    branch: given.branch,
    revision: given.revision,
    tags: given.tags,
    expect: given.expect,
  })) as { branch?: string | null; revision: string; tags: string[]; expect?: string | null };
  const target = branch === undefined ? (findStamp(ctx, given.codebase)?.branch ?? null) : branch;
  if (target !== null && !isRefName(target)) throw faults.nameInvalid("branch", target);
  for (const tag of tags) if (!isRefName(tag)) throw faults.nameInvalid("tag", tag);
  if (typeof expect === "string" && !isHash(expect)) throw faults.nameInvalid("revision", expect);
  if (target === null && tags.length === 0)
    return { result: "success", summary: "nothing to push: no branch, no tags" };
  const git = await openGit(given, ctx, folder);
  await checkTree(git, ctx, treeFolder(given));
  const pusher = new Pusher(given, ctx, git);
  const targets = { branch: target, tags, expect };
  return retried(given, ctx, () => pusher.push(targets, revision));
}

class Pusher {
  readonly #given: PushOptions;
  readonly #ctx: StepContext;
  readonly #git: WorkerGit;

  constructor(given: PushOptions, ctx: StepContext, git: WorkerGit) {
    this.#given = given;
    this.#ctx = ctx;
    this.#git = git;
  }

  async push(
    { branch, tags, expect }: { branch: string | null; tags: string[]; expect: string | null | undefined },
    revision: string,
  ): Promise<StepResult> {
    for (let left = this.#given.races; ; left--) {
      const sha = await this.#mustFind(revision);
      const specs: [source: string, target: Target][] = [];
      if (branch !== null) specs.push([sha, await this.#target(branchRef(branch), this.#known(branch, expect))]);
      for (const tag of tags) {
        const ref = `refs/tags/${tag}`;
        await this.#mustFind(ref);
        specs.push([ref, await this.#target(ref, undefined)]);
      }
      const answer = await this.#try(specs);
      const lines = readPush(answer.stdout);
      if (answer.ok) return this.#done(branch, tags, sha, lines);
      if (lines.length === 0) throw this.#git.fault(answer);
      const refused = lines.filter(({ flag }) => flag === "!");
      if (left <= 0 || this.#given.force || !refused.every(({ isRace }) => isRace) || branch === null)
        throw this.#rejected(refused, answer);
      await say(this.#ctx, `Somebody else was faster: rebased and pushed again; ${left - 1} times more.\n`);
      this.#ctx.progress("rebasing on what somebody else pushed");
      await this.#rebase(branchRef(branch));
    }
  }

  #done(branch: string | null, tags: string[], sha: string, lines: PushLine[]): StepResult {
    if (branch !== null) this.#ctx.properties.set("pushedRevision", sha);
    if (lines.every(({ flag }) => flag === "=")) return { result: "success", summary: "nothing to push: it is there" };
    const what = [...(branch === null ? [] : [`${sha.slice(0, 7)} to ${branch}`]), ...tags];
    return { result: "success", summary: what.join(", ").slice(0, 200) };
  }

  #rejected(refused: PushLine[], { stderr }: GitAnswer) {
    const remote = stderr
      .split("\n")
      .filter((line) => line.startsWith("remote:"))
      .slice(-5);
    const said = [...refused.map(({ to, summary }) => `${to} ${summary}`), ...remote].join("; ").slice(0, 1_000);
    return faults.pushRejected(this.#git.address.url, maskText(said, this.#git.address));
  }

  async #try(specs: [source: string, target: Target][]): Promise<GitAnswer> {
    const { trusted } = this.#given;
    const isLocal = this.#git.address.kind === "local";
    const flags = ["--porcelain", "--no-verify", "--no-signed", "--no-follow-tags", "--recurse-submodules=no"];
    const leases = specs.flatMap(([, { ref, lease }]) =>
      lease === undefined ? [] : [`--force-with-lease=${ref}:${lease}`],
    );
    return this.#git.network([
      "push",
      ...flags,
      ...(specs.length > 1 ? ["--atomic"] : []),
      ...(trusted && isLocal ? ["--receive-pack=git -c 'safe.directory=*' receive-pack"] : []),
      ...leases,
      "--end-of-options",
      this.#git.address.url,
      ...specs.map(([source, { ref }]) => `${source}:${ref}`),
    ]);
  }

  /** What this build knows of the branch: what it was told, or what it checked out. */
  #known(branch: string, expect: string | null | undefined): string | undefined {
    if (expect !== undefined) return expect ?? "";
    const { properties } = this.#ctx;
    const { codebase } = this.#given;
    const got = properties.get("gotRevision");
    const sha = codebase === "" ? got : (got as Record<string, Json> | undefined)?.[codebase];
    const isCheckedOut = branch === (findStamp(this.#ctx, codebase)?.branch ?? properties.get("branch"));
    return isCheckedOut && typeof sha === "string" ? sha : undefined;
  }

  async #target(ref: string, known: string | undefined): Promise<Target> {
    if (!this.#given.force) return { ref, lease: undefined };
    return { ref, lease: known ?? (await this.#now(ref)) };
  }

  /** What the remote has there at this moment. */
  async #now(ref: string): Promise<string> {
    const answer = await this.#git.network(["ls-remote", "--end-of-options", this.#git.address.url, ref]);
    if (!answer.ok) throw this.#git.fault(answer);
    const line = answer.stdout.split("\n").find((each) => each.endsWith(`\t${ref}`));
    return line?.split("\t")[0] ?? "";
  }

  async #rebase(ref: string): Promise<void> {
    const { worker } = this.#ctx;
    const isShallow = await worker.exists(posix.join(treeFolder(this.#given), ".git", "shallow"));
    const fetched = await this.#git.fetch([...(isShallow ? ["--unshallow"] : []), "--no-tags"], [`+${ref}:${ONTO}`]);
    // Gone again meanwhile: there is nothing to rebase on.
    if (!fetched.ok && isRefMissing(fetched.stderr)) return;
    if (!fetched.ok) throw this.#git.fault(fetched);
    const env = await personEnvironment(this.#ctx, undefined, this.#given.committer);
    // A partial clone may have to fetch what it lacks.
    const args = [...OWN_NAME, "rebase", "--quiet", "--autostash", "--no-gpg-sign", ONTO];
    const rebased = await this.#git.network(args, { env });
    if (rebased.ok) return;
    await this.#git.try(["rebase", "--abort"]);
    if (isNameMissing(rebased.stderr)) throw faults.identity();
    throw faults.pushConflict(this.#git.address.url, lastWords(`${rebased.stdout}\n${rebased.stderr}`));
  }

  async #mustFind(revision: string): Promise<string> {
    const sha = await findCommit(this.#git, revision);
    if (sha === undefined) throw faults.revisionUnknown("the checkout", revision);
    return sha;
  }
}
