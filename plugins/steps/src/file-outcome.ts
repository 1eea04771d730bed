import type { StepContext, StepResult } from "belfry";

const REASONS: Record<string, string> = {
  EACCES: "permission denied",
  EEXIST: "something else is there",
  EISDIR: "it is a folder",
  ELOOP: "too many links",
  ENAMETOOLONG: "the name is too long",
  ENOENT: "it does not exist",
  ENOSPC: "the worker's disk is full",
  ENOTDIR: "a part of the path is no folder",
  EPERM: "permission denied",
  EROFS: "the worker's file system is read-only",
};

/** Does something with files; what the worker's file system refuses is a failure, everything else is thrown. */
export async function fileOutcome(ctx: StepContext, task: string, work: () => Promise<void>): Promise<StepResult> {
  ctx.signal.throwIfAborted();
  try {
    await work();
  } catch (error) {
    ctx.signal.throwIfAborted();
    const code = (error as { code?: unknown } | null)?.code;
    if (typeof code !== "string" || !/^E[A-Z0-9]+$/.test(code)) throw error;
    return { result: "failure", summary: `cannot ${task}: ${REASONS[code] ?? "the worker refuses"} (${code})` };
  }
  ctx.signal.throwIfAborted();
  return { result: "success" };
}
