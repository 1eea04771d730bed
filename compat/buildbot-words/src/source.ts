import type { Json } from "belfry";

/** What is needed to speak of a build's source: an item of `builds.list`, with properties if there are any. */
export interface SourceLike {
  branch?: string | null;
  properties?: Readonly<Record<string, { value: Json }>>;
  sourceStamps?: readonly { branch: string | null }[];
}

/**
 * The revision that was checked out, `""` if that is not known. With several codebases it is that of
 * the nameless one, or of the first by name: the old clients have one place for it.
 */
export function revisionOf(build: Pick<SourceLike, "properties">): string {
  const properties = build.properties ?? {};
  const value = Object.hasOwn(properties, "gotRevision") ? properties["gotRevision"]?.value : undefined;
  if (typeof value === "string" || typeof value === "number") return String(value);
  if (typeof value !== "object" || value === null || Array.isArray(value)) return "";
  const codebases = Object.keys(value).sort();
  const first = codebases.map((codebase) => value[codebase]).find((revision) => typeof revision === "string");
  return typeof first === "string" ? first : "";
}

/** The branch of a build, or else of its first source stamp; `null` for the default one. */
export function branchOf(build: SourceLike): string | null {
  return build.branch ?? build.sourceStamps?.[0]?.branch ?? null;
}

/** Who may have broken it: the authors of changes, each once, in order. */
export function blame(changes: readonly { author: string }[]): string[] {
  return [...new Set(changes.map(({ author }) => author))].filter((author) => author !== "").sort();
}

/** Milliseconds as seconds since 1970, with a fraction. */
export function seconds(millis: number): number {
  return millis / 1000;
}
