import { posix } from "node:path";
import type { StepContext } from "belfry";
import { faults } from "./errors.ts";
import { lastWords } from "./git-fault.ts";
import { maskText } from "./repository-address.ts";
import type { Clean } from "./work-tree.ts";
import type { GitAnswer, WorkerGit } from "./worker-git.ts";

const ENV = { GIT_LFS_SKIP_SMUDGE: "1" };

/** Checks out every submodule, and theirs, as the commit says. Returns their folders. */
export async function placeSubmodules(
  ctx: StepContext,
  git: WorkerGit,
  { path, depth, clean }: { path: string; depth: number | undefined; clean: Clean },
): Promise<string[]> {
  if (!(await ctx.worker.exists(posix.join(path, ".gitmodules")))) return [];
  // The address of a submodule may have changed since the clone was made.
  await git.change(["submodule", "--quiet", "sync", "--recursive"]);
  const update = (flags: string[]) =>
    git.network(["submodule", "update", "--init", "--recursive", "--force", "--checkout", ...flags], { env: ENV });
  let answer = await update(depth === undefined ? [] : [`--depth=${depth}`]);
  if (!answer.ok && depth !== undefined && isOutOfReach(answer)) {
    const say = "A submodule's commit is deeper than that: they are cloned as a whole.\n";
    await ctx.log("stdio").write(say, "header");
    await git.change(["submodule", "--quiet", "deinit", "--all", "--force"]);
    await ctx.worker.remove(posix.join(path, ".git/modules"));
    answer = await update([]);
  }
  if (!answer.ok) throw isOutOfReach(answer) ? missing(git, answer) : git.fault(answer);
  if (clean !== "none") {
    const flags = clean === "ignored" ? "-ffdx" : "-ffd";
    await git.change(["submodule", "--quiet", "foreach", "--recursive", `git clean --quiet ${flags}`]);
  }
  const list = await git.ask(["submodule", "--quiet", "foreach", "--recursive", "printf '%s\\0' \"$displaypath\""]);
  return list.stdout.split("\0").filter((folder) => folder !== "");
}

/** The submodule is there, but not this commit of it. */
function isOutOfReach({ stderr }: GitAnswer): boolean {
  return /did not contain|Direct fetching of that commit failed|not our ref|Unable to find current|Unable to checkout/i.test(
    stderr,
  );
}

function missing(git: WorkerGit, { stderr }: GitAnswer) {
  return faults.submoduleFailed(git.address.url, lastWords(maskText(stderr, git.address)));
}
