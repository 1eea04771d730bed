import type { LoginFile } from "./login.ts";

/** Within a clone's `.git`; builds of one folder never overlap. */
export const LOGIN_FOLDER = "belfry-login";
export const LOGIN_SCRIPT = "belfry-login.sh";

/**
 * Runs git with files that are there only meanwhile: `sh SCRIPT FOLDER ARGUMENT…`, with what
 * {@link loginInput} makes as its input. The words are in no argument and no environment, and a git that
 * is ended takes the files with it.
 */
export const SCRIPT = `# Belfry runs git with a login that is in files only meanwhile.
umask 077
folder=$1
shift
git=
# Whoever ends this ends what it starts, too: what removes the files must not heed that.
trap 'trap "" HUP INT TERM; rm -rf "$folder"' EXIT
trap 'trap "" HUP INT TERM; test -z "$git" || kill "$git" 2>/dev/null; exit 129' HUP
trap 'trap "" HUP INT TERM; test -z "$git" || kill "$git" 2>/dev/null; exit 130' INT
trap 'trap "" HUP INT TERM; test -z "$git" || kill "$git" 2>/dev/null; exit 143' TERM
rm -rf "$folder" && mkdir "$folder" || exit 125
while IFS= read -r line; do
  case $line in
    '>'*) file=\${line#?} && : > "$folder/$file" || exit 125 ;;
    *) printf '%s\\n' "\${line#?}" >> "$folder/$file" || exit 125 ;;
  esac
done
git "$@" < /dev/null &
git=$!
wait "$git"
`;

/** The files as lines that a shell can tell apart. */
export function loginInput(files: readonly LoginFile[]): string {
  const parts = files.map(({ name, text }) => {
    const lines = text.replace(/\n$/, "").split("\n");
    return [`>${name}`, ...lines.map((line) => ` ${line}`), ""].join("\n");
  });
  return parts.join("");
}
