import { execFile } from "node:child_process";
import { faults } from "../errors/catalogue.ts";

/** A commit, as the git work tree that a user stands in tells of it. */
export interface TreeCommit {
  repository: string;
  branch: string | null;
  revision: string;
  author: string;
  comments: string;
  files: string[];
  when: number;
}

const MOST_FILES = 10_000;
const MOST_COMMENTS = 64 * 1024;

/** `undefined` where there is no work tree, or no git. Throws a fault of usage for a revision that is not there. */
export async function commitOf(cwd: string, revision: string | undefined): Promise<TreeCommit | undefined> {
  const top = await git(cwd, ["rev-parse", "--show-toplevel"]);
  if (top === undefined) return undefined;
  const name = revision ?? "HEAD";
  const sha = await git(cwd, ["rev-parse", "--verify", "--quiet", "--end-of-options", `${name}^{commit}`]);
  if (sha === undefined) throw faults.usage(`The work tree in ${top} has no commit "${name.slice(0, 100)}".`);
  const format = "--format=%an <%ae>%x00%at%x00%B";
  const said = await git(cwd, ["log", "-1", "--no-color", "--encoding=UTF-8", format, sha]);
  const [author = "", date = "", ...comments] = (said ?? "").split("\0");
  const names = ["-c", "log.showRoot=true", "log", "-1", "--first-parent", "-m", "--name-only", "--no-renames", "-z"];
  const files = (await git(cwd, [...names, "--format=", sha]))?.split("\0").filter((file) => file !== "") ?? [];
  const remote = await git(cwd, ["config", "--get", "remote.origin.url"]);
  return {
    repository: remote === undefined ? top : remote.replace(/^(\w+:\/\/)[^/]*@/, "$1"),
    branch: (await git(cwd, ["symbolic-ref", "--quiet", "--short", "HEAD"])) ?? null,
    revision: sha,
    author: author.replace(/\p{Cc}/gu, "").slice(0, 1_000),
    comments: comments.join("\0").trim().slice(0, MOST_COMMENTS),
    files: files.slice(0, MOST_FILES),
    when: Number(date) * 1_000,
  };
}

function git(cwd: string, args: string[]): Promise<string | undefined> {
  return new Promise((done) => {
    // Hooks and monitors of the repository have no say in a question.
    const calm = ["-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false"];
    execFile("git", [...calm, ...args], { cwd, maxBuffer: 64 * 1024 * 1024 }, (error, stdout) =>
      done(error ? undefined : stdout.replace(/\n$/, "")),
    );
  });
}
