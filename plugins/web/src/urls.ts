/** What names an object within its type: `{ builder: "app", number: 7 }`. */
export type Keys = Readonly<Record<string, string | number>>;

/**
 * A name as one segment of a path. Any name survives: browsers would take `.` and `..`, also when they are
 * encoded, and an empty segment for something else, so these get a `~`.
 */
export function segment(name: string | number): string {
  const text = String(name).toWellFormed();
  return `${/^~*\.{0,2}$/.test(text) ? "~" : ""}${encodeURIComponent(text)}`;
}

/** The name of a segment; `undefined` for what `segment` never writes. */
export function nameOf(segment: string): string | undefined {
  try {
    const text = decodeURIComponent(segment);
    return /^~+\.{0,2}$/.test(text) ? text.slice(1) : text;
  } catch {
    return undefined;
  }
}

/** The path of a pattern such as `/builders/:builder`, with names filled in. */
export function fill(pattern: string, keys: Keys): string {
  return pattern.replace(/:(\w+)/g, (_, key: string) => segment(keys[key] ?? ""));
}

type Query = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** `?a=b` of what is neither empty nor missing; `""` for nothing. */
export function search(query: Query): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== "" && value !== false)
      params.set(key, String(value).toWellFormed());
  }
  const text = params.toString();
  return text === "" ? "" : `?${text}`;
}

/** Where a snippet can be fetched alone. */
export function snippetPath(name: string, keys: Keys): string {
  return `/web/snippets/${segment(name)}${search(keys)}`;
}

/** An address that somebody else gave, if it is safe to be clicked on. */
export function outside(address: string | null | undefined): string | undefined {
  if (!address || !/^(https?|mailto):/i.test(address)) return undefined;
  return URL.canParse(address) ? address : undefined;
}

/** A path without the slashes at its end. */
export function withoutEnd(path: string): string {
  let end = path.length;
  while (end > 1 && path[end - 1] === "/") end -= 1;
  return path.slice(0, end);
}

/** A path on this server to go back to, as a header can tell it; anything else becomes `/`. */
export function inside(path: string | null | undefined): string {
  return path && /^\/(?!\/)[!-[\]-~\u00a1-\u00ff]*$/.test(path) ? path : "/";
}
