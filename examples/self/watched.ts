import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** The repository to watch. */
export interface Watched {
  repository: string;
  branch: string;
  isSample: boolean;
  /** What to tell the user about it. */
  note: string;
}

/** The clone around this folder; for one without a branch a copy of its commit; without git a sample of our own. */
export function findWatched(root: string, state: string): Watched {
  if (!existsSync(join(root, ".git"))) {
    const repository = makeSample(join(state, "sample"));
    return {
      repository,
      branch: "main",
      isSample: true,
      note: `This folder is no git clone, so a small sample repository is built: ${repository}`,
    };
  }
  const branch = currentBranch(root);
  if (branch !== undefined && /^[A-Za-z0-9][A-Za-z0-9._/@+-]*$/.test(branch)) {
    return {
      repository: root,
      branch,
      isSample: false,
      note: `It watches ${root}, and builds branch ${branch} and what is committed to others.`,
    };
  }
  // Without a branch, or with one that reads like a pattern, there is nothing that a poller could name.
  const repository = copyHead(root, join(state, "head.git"));
  return {
    repository,
    branch: "head",
    isSample: false,
    note: `It builds the commit that is checked out in ${root}; start it again for a later one.`,
  };
}

function currentBranch(root: string): string | undefined {
  try {
    return git(["-C", root, "symbolic-ref", "--quiet", "--short", "HEAD"]).trim();
  } catch {
    return undefined;
  }
}

function copyHead(root: string, folder: string): string {
  if (!existsSync(folder)) git(["init", "--quiet", "--bare", folder]);
  const from = [
    "--upload-pack",
    "git -c safe.directory=* upload-pack",
    "--no-tags",
    "--force",
    "--update-shallow",
    root,
  ];
  git(["-C", folder, "fetch", "--quiet", ...from, "+HEAD:refs/heads/head"]);
  return folder;
}

function makeSample(folder: string): string {
  if (existsSync(join(folder, "made"))) return folder;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  git(["init", "--quiet", "--initial-branch=main", folder]);
  const commit = (file: string, text: string, message: string) => {
    writeFileSync(join(folder, file), text);
    git(["-C", folder, "add", "--", file]);
    git(["-C", folder, "-c", "commit.gpgSign=false", "commit", "--quiet", "--no-verify", "-m", message]);
  };
  commit("greeting.sh", "echo Hello\n", "Say hello");
  commit("test.sh", 'test "$(sh greeting.sh)" = Hello && echo "1 test passed"\n', "Test that it says hello");
  writeFileSync(join(folder, "made"), "");
  return folder;
}

function git(args: string[]): string {
  const who = { NAME: "Belfry", EMAIL: "belfry@localhost" };
  return execFileSync("git", ["-c", "safe.directory=*", ...args], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 60_000,
    env: {
      ...process.env,
      GIT_TERMINAL_PROMPT: "0",
      GIT_AUTHOR_NAME: who.NAME,
      GIT_AUTHOR_EMAIL: who.EMAIL,
      GIT_COMMITTER_NAME: who.NAME,
      GIT_COMMITTER_EMAIL: who.EMAIL,
    },
  });
}
