import type { NewChange, SourceContext } from "belfry";
import type { Commit } from "./commit-log.ts";
import type { PollerOptions } from "./poller-options.ts";

/** What is told of a commit on a branch or tag. */
export function changeOf(
  ctx: SourceContext,
  { project, codebase, category }: PollerOptions,
  { branch, commit, key, repository }: { branch: string; commit: Commit; key: string; repository: string },
): NewChange {
  if (commit.fileCount > commit.files.length) {
    ctx.note(
      `commit ${commit.sha.slice(0, 10)} touches ${commit.fileCount} files: ${commit.files.length} of them are kept`,
    );
  }
  if (commit.messageCut) ctx.note(`the message of commit ${commit.sha.slice(0, 10)} is cut`);
  return {
    key,
    author: commit.author,
    comments: commit.message,
    files: commit.files,
    revision: commit.sha,
    branch,
    repository,
    ...(commit.when === undefined ? {} : { when: commit.when }),
    ...(project === undefined ? {} : { project }),
    ...(codebase === undefined ? {} : { codebase }),
    ...(category === undefined ? {} : { category }),
  };
}
