/** What a request asks for besides its path. */
export interface Query {
  /** Paths below the node, split and decoded; `undefined` if nothing is selected. */
  select: string[][] | undefined;
  asText: boolean;
  filter: boolean;
  compact: boolean;
  callback: string | undefined;
  /** As they came; each node has a default of its own for what is no number. */
  numbuilds: string | undefined;
  max: string | undefined;
}

const CALLBACK = /^[a-zA-Z$_][a-zA-Z$0-9._]{0,199}$/;

export function readQuery(querystring: string): Query {
  const args = new URLSearchParams(querystring);
  const asText = flag(args.get("as_text"), false);
  const select = args.getAll("select");
  const callback = args.get("callback") ?? "";
  return {
    select: select.length === 0 ? undefined : select.map(selectedPath),
    asText,
    filter: flag(args.get("filter"), asText),
    compact: flag(args.get("compact"), !asText),
    callback: CALLBACK.test(callback) ? callback : undefined,
    numbuilds: args.get("numbuilds") ?? undefined,
    max: args.get("max") ?? undefined,
  };
}

/** Each part is decoded once more than the query was, so that `%252F` is a slash within a name. */
function selectedPath(text: string): string[] {
  return text.split("/").filter(Boolean).map(decoded);
}

/** Percent-decoded, or as it is if it is not percent-encoded. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function flag(value: string | null, otherwise: boolean): boolean {
  const word = value?.toLowerCase();
  if (word === "1" || word === "true") return true;
  if (word === "0" || word === "false") return false;
  return otherwise;
}

/** A whole number, or `undefined`. */
export function wholeNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^[+-]?\d{1,9}$/.test(text.trim()) ? Number(text) : undefined;
}
