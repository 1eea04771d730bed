import { BelfryError } from "belfry";

/** Every way in which this package refuses. The README lists the same codes. */
export const faults = {
  repositoryInvalid: (why: string) =>
    new BelfryError("BELFRY_GIT_REPOSITORY_INVALID", {
      what: "The repository's address cannot be used.",
      why,
      fix: 'Give a path, "https://host/path", "ssh://host/path", "git://host/path", "file:///path" or "user@host:path".',
    }),
  loginInvalid: (why: string) =>
    new BelfryError("BELFRY_GIT_LOGIN_INVALID", {
      what: "The login for a repository cannot be used.",
      why,
      fix: "Correct the options `username`, `password`, `sshPrivateKey`, `sshKnownHosts` or `hosts`, or the secrets that they take.",
    }),
  missing: (where: string, options?: { cause?: unknown }) =>
    new BelfryError(
      "BELFRY_GIT_MISSING",
      {
        what: `There is no git program on ${where}.`,
        why: "Belfry runs the git that it finds in PATH and found none.",
        fix: "Install git 2.30 or newer there, or correct PATH.",
      },
      options,
    ),
  unreachable: (repository: string, said: string, options?: { cause?: unknown }) =>
    new BelfryError(
      "BELFRY_GIT_UNREACHABLE",
      {
        what: `The repository ${repository} cannot be reached.`,
        why: `Git says: ${said}`,
        fix: "Check the address, the network and whether the server is up; Belfry tries again by itself.",
      },
      options,
    ),
  auth: (repository: string, said: string, options?: { cause?: unknown }) =>
    new BelfryError(
      "BELFRY_GIT_AUTH",
      {
        what: `The repository ${repository} does not let Belfry in.`,
        why: `Git says: ${said}`,
        fix: "Give git a credential that works without questions: a credential helper, an SSH key and a known host, or user and password in an https address.",
      },
      options,
    ),
  notARepository: (repository: string, said: string, options?: { cause?: unknown }) =>
    new BelfryError(
      "BELFRY_GIT_NOT_A_REPOSITORY",
      {
        what: `There is no git repository at ${repository}.`,
        why: `Git says: ${said}`,
        fix: "Correct the address. A path is looked for on the machine that runs git: the master for a poller, the worker for a checkout.",
      },
      options,
    ),
  owner: (repository: string, options?: { cause?: unknown }) =>
    new BelfryError(
      "BELFRY_GIT_OWNER",
      {
        what: `Git does not trust the repository ${repository}.`,
        why: "Its files belong to another user than the one that runs git.",
        fix: 'Run "git config --global --add safe.directory <path>" as that user, or set `trusted: true` if you trust what is in that folder.',
      },
      options,
    ),
  protocol: (repository: string, options?: { cause?: unknown }) =>
    new BelfryError(
      "BELFRY_GIT_PROTOCOL",
      {
        what: `The repository ${repository} wants a protocol that Belfry does not use.`,
        why: "Only git, http, https and ssh are allowed, and file where the address is a path; the address, a redirect, a submodule or a rule of git's configuration leads to another one.",
        fix: "Use an address of one of these protocols, or name the protocols that you trust in `protocols`.",
      },
      options,
    ),
  diskFull: (where: string, options?: { cause?: unknown }) =>
    new BelfryError(
      "BELFRY_GIT_DISK_FULL",
      {
        what: `Git could not write on ${where}.`,
        why: "The disk is full.",
        fix: "Make room; Belfry goes on by itself.",
      },
      options,
    ),
  timeout: (repository: string, seconds: number, options?: { cause?: unknown }) =>
    new BelfryError(
      "BELFRY_GIT_TIMEOUT",
      {
        what: `Git did not finish with ${repository}.`,
        why: `A single git command took longer than ${seconds} seconds.`,
        fix: "Check the server, or raise `timeout` of this checkout.",
      },
      options,
    ),
  failed: (repository: string, said: string, options?: { cause?: unknown }) =>
    new BelfryError(
      "BELFRY_GIT_FAILED",
      {
        what: `Git failed on ${repository}.`,
        why: `It says: ${said}`,
        fix: "Try the same by hand as the user that Belfry runs as.",
      },
      options,
    ),
  tooManyBranches: (repository: string, kind: "branches" | "tags", limit: number) =>
    new BelfryError("BELFRY_GIT_TOO_MANY_BRANCHES", {
      what: `Too many ${kind} of ${repository} match.`,
      why: `A poller watches at most ${limit}.`,
      fix: `Make the patterns in \`${kind}\` narrower.`,
    }),
  stateUnreadable: (repository: string) =>
    new BelfryError("BELFRY_GIT_STATE_UNREADABLE", {
      what: `What the poller of ${repository} remembers cannot be read.`,
      why: "It was written by another version of this plugin, or by something else.",
      fix: "Install the version that wrote it, or give the source a new name to start afresh.",
    }),
  noSource: (codebase: string) =>
    new BelfryError("BELFRY_GIT_NO_SOURCE", {
      what: "The checkout does not know which repository to take.",
      why: `The build has no source stamp of codebase "${codebase}" with a repository, and the step names none.`,
      fix: "Give the step a `repository`, or correct its `codebase`.",
    }),
  pathNeeded: (codebase: string) =>
    new BelfryError("BELFRY_GIT_PATH_NEEDED", {
      what: `The codebase ${JSON.stringify(codebase)} needs a folder.`,
      why: "A work tree goes to the folder that is called like its codebase, and this is no name for a folder.",
      fix: "Give the step a `path`.",
    }),
  lfsMissing: (repository: string) =>
    new BelfryError(
      "BELFRY_GIT_LFS_MISSING",
      {
        what: `${repository} keeps files in Git LFS, and the worker has no git-lfs.`,
        why: "Without it the build would get small text files that only point to the real ones.",
        fix: "Install git-lfs on the worker, or say `lfs: false` if the build does not need these files.",
      },
      { result: "failure" },
    ),
  submoduleFailed: (repository: string, said: string) =>
    new BelfryError(
      "BELFRY_GIT_SUBMODULE_FAILED",
      {
        what: `A submodule of ${repository} cannot be checked out.`,
        why: `Git says: ${said}`,
        fix: "Push the submodule's commit to where .gitmodules says it is, or correct .gitmodules.",
      },
      { result: "failure" },
    ),
  branchUnknown: (repository: string, branch: string) =>
    new BelfryError(
      "BELFRY_GIT_BRANCH_UNKNOWN",
      {
        what: `${repository} has no branch ${JSON.stringify(branch)}.`,
        why: "It was deleted, or never was there.",
        fix: "Build a branch that exists.",
      },
      { result: "failure" },
    ),
  revisionUnknown: (repository: string, revision: string) =>
    new BelfryError(
      "BELFRY_GIT_REVISION_UNKNOWN",
      {
        what: `${repository} has no revision ${JSON.stringify(revision)}.`,
        why: "No commit of that name is reachable from its branches and tags, and the server does not give it out by itself.",
        fix: "Build a revision that exists. If it was there before, its branch was rewritten or deleted.",
      },
      { result: "failure" },
    ),
  noWorkTree: (folder: string) =>
    new BelfryError(
      "BELFRY_GIT_NO_WORK_TREE",
      {
        what: `There is no checkout in the folder ${JSON.stringify(folder)}.`,
        why: "This step works on what an earlier gitCheckout brought there.",
        fix: "Put a gitCheckout before it, with the same `codebase` and `path`.",
      },
      { result: "failure" },
    ),
  identity: () =>
    new BelfryError(
      "BELFRY_GIT_IDENTITY",
      {
        what: "Git does not know in whose name to write.",
        why: "The step names nobody, and the worker's git has no user.name and user.email.",
        fix: "Give the step a name and an email address, or set both in the git configuration of the worker's user.",
      },
      { result: "failure" },
    ),
  nameInvalid: (kind: "branch" | "tag" | "revision", name: string) =>
    new BelfryError(
      "BELFRY_GIT_NAME_INVALID",
      {
        what: `${JSON.stringify(name)} is no name for a ${kind}.`,
        why: "Git allows no spaces, control characters or any of ~^:?*[\\ in it, nor what looks like an option or a path upwards.",
        fix: `Correct how the step computes its ${kind}.`,
      },
      { result: "failure" },
    ),
  describeFailed: (said: string, isShallow: boolean) =>
    new BelfryError(
      "BELFRY_GIT_DESCRIBE_FAILED",
      {
        what: "The commit cannot be described.",
        why: `Git says: ${said}${isShallow ? " The clone does not have its whole history." : ""}`,
        fix: "Check out with `tags: true` and without `depth`, or say `always: true` for a hash where no tag fits.",
      },
      { result: "failure" },
    ),
  commitFailed: (said: string) =>
    new BelfryError(
      "BELFRY_GIT_COMMIT_FAILED",
      {
        what: "Git did not commit.",
        why: `It says: ${said}`,
        fix: "Correct the `paths` or the `message` of the step.",
      },
      { result: "failure" },
    ),
  nothingToCommit: () =>
    new BelfryError(
      "BELFRY_GIT_NOTHING_TO_COMMIT",
      {
        what: "There is nothing to commit.",
        why: 'The build changed nothing in the step\'s `paths`, and `empty` is "fail".',
        fix: 'Say `empty: "skip"` if that may happen.',
      },
      { result: "failure" },
    ),
  tagExists: (tag: string, commit: string) =>
    new BelfryError(
      "BELFRY_GIT_TAG_EXISTS",
      {
        what: `There is a tag ${JSON.stringify(tag)} already.`,
        why: `It is at ${commit}.`,
        fix: "Take another name, or say `force: true` to move it.",
      },
      { result: "failure" },
    ),
  pushRejected: (repository: string, said: string) =>
    new BelfryError(
      "BELFRY_GIT_PUSH_REJECTED",
      {
        what: `${repository} does not take what was pushed.`,
        why: `Git says: ${said}`,
        fix: "If somebody else was faster, build again, or let the step try again with `races`. If a rule of the server forbids it, push to another branch.",
      },
      { result: "failure" },
    ),
  pushConflict: (repository: string, said: string) =>
    new BelfryError(
      "BELFRY_GIT_PUSH_CONFLICT",
      {
        what: `Somebody pushed to ${repository} what does not go together with this build's commits.`,
        why: `Git could not rebase them: ${said}`,
        fix: "Build again from the new commit.",
      },
      { result: "failure" },
    ),
  patchFailed: (said: string) =>
    new BelfryError(
      "BELFRY_GIT_PATCH_FAILED",
      {
        what: "The patch of this build does not apply.",
        why: `Git says: ${said}`,
        fix: "Make the patch against the revision that is built.",
      },
      { result: "failure" },
    ),
};
