/** A path on this server to go to; anything else becomes `/`. */
export function inside(path: string | null | undefined): string {
  // Browsers take a backslash for a slash, and leave out tabs and line ends; and no header has more than ASCII.
  if (!path || path.length > 2_000 || !/^\/(?!\/)[!-[\]-~]*$/.test(path)) return "/";
  return new URL(path, "http://a").host === "a" ? path : "/";
}

/** The page to sign in, which leads to `to` then. */
export function loginPath(to: string, more: Readonly<Record<string, string | undefined>> = {}): string {
  const query = new URLSearchParams();
  const target = inside(to);
  if (target !== "/" && !target.startsWith("/login")) query.set("to", target);
  for (const [key, value] of Object.entries(more)) if (value !== undefined) query.set(key, value);
  const text = query.toString();
  return `/login${text === "" ? "" : `?${text}`}`;
}
