import { faults } from "./errors.ts";
import type { WorkerGit } from "./worker-git.ts";

/** As "git lfs install" sets them, for a worker where nobody did. */
const FILTERS = [
  ...["-c", "filter.lfs.clean=git-lfs clean -- %f"],
  ...["-c", "filter.lfs.smudge=git-lfs smudge -- %f"],
  ...["-c", "filter.lfs.process=git-lfs filter-process"],
  ...["-c", "filter.lfs.required=true"],
];

/** Brings the files that are kept in LFS, in the work tree and in these submodules. Returns whether there are any. */
export async function pullLfs(git: WorkerGit, submodules: readonly string[]): Promise<boolean> {
  let found = false;
  for (const folder of ["", ...submodules]) {
    const at = folder === "" ? [] : ["-C", folder];
    const free = folder !== "";
    const listed = await git.ask([...at, "ls-files", "-z", "--", ":(attr:filter=lfs)"], { free });
    if (!listed.ok) throw git.fault(listed);
    if (listed.stdout === "") continue;
    if (!found && !(await git.ask(["lfs", "version"], { free: true })).ok) throw faults.lfsMissing(git.address.url);
    found = true;
    const answer = await git.network([...at, ...FILTERS, "lfs", "pull", "origin"], { free });
    if (!answer.ok) throw git.fault(answer);
  }
  return found;
}
