/**
 * True if git could have a branch or tag of this name (`git check-ref-format`). Names come from
 * outside, so what is no name is refused before git sees it.
 */
export function isRefName(name: string): boolean {
  if (name === "" || name.length > 500 || name === "@" || name.startsWith("-")) return false;
  if (/[\p{Cc} ~^:?*[\\]|\.\.|@\{|\/\/|^\/|\/$|\.$/u.test(name)) return false;
  return name.split("/").every((part) => !part.startsWith(".") && !part.endsWith(".lock"));
}

/** A whole hash. */
export function isHash(text: string): boolean {
  return /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(text);
}

/** The first digits of a hash; may be a name as well. */
export function isHashStart(text: string): boolean {
  return /^[0-9a-f]{4,63}$/.test(text);
}

/** The whole ref of a branch, which may be named by its whole ref. */
export function branchRef(branch: string): string {
  return branch.startsWith("refs/") ? branch : `refs/heads/${branch}`;
}
