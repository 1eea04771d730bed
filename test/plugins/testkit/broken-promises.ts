import type { Check } from "@belfry/testkit";

/** Runs checks, and gives the titles of those that fail, without the name in front. */
export async function brokenPromises(checks: readonly Check[]): Promise<string[]> {
  const broken: string[] = [];
  for (const check of checks) {
    try {
      await check.run();
    } catch {
      broken.push(check.title.replace(/^[^:]*: /, ""));
    }
  }
  return broken;
}
