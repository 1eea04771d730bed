/** What became of one ref, as `git push --porcelain` tells. */
export interface PushLine {
  /** Space: moved on; `*`: new; `+`: replaced; `=`: nothing to do; `!`: refused. */
  flag: string;
  to: string;
  summary: string;
  /** Refused since the ref is not where it was when this build looked. */
  isRace: boolean;
}

const RACE = /non-fast-forward|fetch first|failed to update ref|cannot lock ref|failed to lock|incorrect old value/i;

export function readPush(text: string): PushLine[] {
  const lines: PushLine[] = [];
  for (const line of text.split("\n")) {
    const match = /^([ *+\-=!])\t[^\t]*?:([^\t:]+)\t(.*)$/.exec(line);
    if (!match?.[1] || !match[2]) continue;
    const [, flag, to, summary = ""] = match;
    lines.push({ flag, to, summary, isRace: flag === "!" && RACE.test(summary) });
  }
  return lines;
}
