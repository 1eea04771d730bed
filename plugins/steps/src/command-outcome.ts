import type { CommandResult, Result, StepResult } from "belfry";
import { durationText } from "./duration-text.ts";

/** What the end of a command means for its step. */
export function outcomeOf(
  ended: CommandResult,
  { decodeRc, timeout }: { decodeRc: Record<string, Result>; timeout: number | null },
): StepResult {
  switch (ended.killed) {
    case "timeout":
      return { result: "failure", summary: `no output for ${durationText(timeout ?? 0)}` };
    case "max-time":
      return {
        result: "failure",
        summary: `took longer than ${durationText(Math.max(1, Math.floor(ended.elapsed / 1_000)) * 1_000)}`,
      };
    case "cancelled":
      return { result: "cancelled", summary: "stopped" };
  }
  if (ended.signal !== null) return { result: "failure", summary: `killed by ${ended.signal}` };
  if (ended.code === null) return { result: "failure", summary: "ended without an exit code" };
  const result = decodeRc[ended.code] ?? (ended.code === 0 ? "success" : "failure");
  return ended.code === 0 && result === "success" ? { result } : { result, summary: `exit code ${ended.code}` };
}
