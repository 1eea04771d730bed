import { type GitCall, streamFields } from "./git-process.ts";

export interface Commit {
  sha: string;
  /** Milliseconds, or `undefined` when the commit's date is nonsense. */
  when: number | undefined;
  /** `Name <address>`, on one line. */
  author: string;
  message: string;
  messageCut: boolean;
  /** Against the first parent; at most `fileLimit` of them. */
  files: string[];
  /** How many there are. */
  fileCount: number;
}

const MESSAGE_BYTES = 64 * 1024;
const AUTHOR_LENGTH = 300;

export const LOG_ARGUMENTS = [
  "log",
  "--no-walk=unsorted",
  "--stdin",
  "--first-parent",
  "-z",
  "--raw",
  "--no-renames",
  "--no-abbrev",
  "--no-color",
  "--encoding=UTF-8",
  "--format=%H%x00%at%x00%an <%ae>%x00%B",
];

/**
 * Reads what `git log` with {@link LOG_ARGUMENTS} prints, commit by commit, holding one at a time.
 * Each is hash, date, author and message, then for each file a field that starts with ":" and one
 * with the path.
 */
export async function* readCommits(call: GitCall, fileLimit: number): AsyncGenerator<Commit, void> {
  let commit: Commit | undefined;
  let head: string[] = [];
  let isPath = false;
  for await (const fields of streamFields(call, 0, MESSAGE_BYTES + 1)) {
    for (const field of fields) {
      if (isPath) {
        isPath = false;
        if (!commit) continue;
        commit.fileCount++;
        if (commit.files.length < fileLimit) commit.files.push(field.toString("utf8"));
      } else if (head.length > 0 && head.length < 3) {
        head.push(field.toString("utf8"));
      } else if (head.length === 3) {
        commit = makeCommit(head, field);
        head = [];
      } else if (isFileMark(field)) {
        isPath = true;
      } else {
        const text = field.toString("utf8").trim();
        if (text === "") continue;
        if (commit) yield commit;
        commit = undefined;
        head = [text];
      }
    }
  }
  if (commit) yield commit;
}

/** The first mark of a commit follows a line feed that separates it from the message. */
function isFileMark(field: Buffer): boolean {
  let start = 0;
  while (field[start] === 0x0a) start++;
  return field[start] === 0x3a;
}

function makeCommit(head: string[], body: Buffer): Commit {
  const [sha = "", date = "", author = ""] = head;
  const messageCut = body.length > MESSAGE_BYTES;
  // As a stream, the decoder leaves out a character that the cut went through.
  const text = new TextDecoder().decode(messageCut ? body.subarray(0, MESSAGE_BYTES) : body, { stream: messageCut });
  return {
    sha,
    when: readDate(date),
    author: cleanLine(author),
    message: cleanText(text).trimEnd(),
    messageCut,
    files: [],
    fileCount: 0,
  };
}

function readDate(text: string): number | undefined {
  const millis = /^-?\d{1,13}$/.test(text) ? Number(text) * 1_000 : Number.NaN;
  return Math.abs(millis) <= 8.64e15 ? millis : undefined;
}

function cleanLine(text: string): string {
  return text
    .replace(/[\p{Cc}\u2028-\u202e\u2066-\u2069]/gu, "")
    .trim()
    .slice(0, AUTHOR_LENGTH);
}

/** Leaves line feeds and tabs; what a terminal would obey becomes visible. */
function cleanText(text: string): string {
  return text.replaceAll("\r\n", "\n").replace(/[^\P{Cc}\t\n]/gu, "\ufffd");
}
