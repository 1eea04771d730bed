import type { BuildDetails } from "../answers.ts";
import { oneLine } from "../plain-text.ts";
import type { Ask } from "./follow.ts";

/** What is worth saying about a build besides its name. */
export interface BuildFacts {
  branch: string | null;
  revision: string | null;
  reason: string;
  startedAt: number | null;
}

export type FindFacts = (build: number) => Promise<BuildFacts | undefined>;

/** Asks the master; a build that is gone has no facts. */
export function askFacts(ask: Ask): FindFacts {
  return (build) => ask<BuildDetails>("builds.get", { build }).catch(() => undefined);
}

/** Branch and revision for reading: `main 1a2b3c4d5e`. */
export function sourceText(facts: Pick<BuildFacts, "branch" | "revision">): string {
  const revision =
    facts.revision !== null && /^[0-9a-f]{40,64}$/.test(facts.revision) ? facts.revision.slice(0, 10) : facts.revision;
  return oneLine([facts.branch, revision].filter((part) => part !== null).join(" "), 60);
}
