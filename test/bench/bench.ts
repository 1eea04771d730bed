/** One figure of a benchmark. Numbers only, so that a table and a file of JSON say the same. */
export interface Row {
  /** What is measured, such as "builds/s"; one benchmark may give several. */
  figure: string;
  value: number;
  /** Such as "1/s", "ms" or "MB". */
  unit: string;
  /** The same work's limit on this machine, measured in the same run and in the same unit; null if there is none. */
  limit: number | null;
  /** `value / limit`, or null. */
  ratio: number | null;
  /** What has to be reached, in words: "≥ 0.25 of the limit". */
  goal: string;
  met: boolean;
}

/**
 * What a file `test/bench/<name>.bench.ts` exports as its default. It runs in a process of its own, alone on the
 * machine, and lets go of everything it opened. What it prints goes to the terminal's error stream.
 */
export interface Bench {
  /** Short, for `--only`. */
  name: string;
  run(): Promise<Row[]>;
}

/** The value at fraction `p` (0 to 1) of the sorted samples. */
export function percentile(samples: readonly number[], p: number): number {
  if (samples.length === 0) throw new Error("There are no samples.");
  const sorted = [...samples].sort((a, b) => a - b);
  const index = Math.max(0, Math.ceil(p * sorted.length) - 1);
  return sorted[Math.min(index, sorted.length - 1)] as number;
}

/** A row that has to reach at least `share` of the limit measured beside it. */
export function rowOfLimit(figure: string, unit: string, value: number, limit: number, share: number): Row {
  const ratio = value / limit;
  return { figure, value, unit, limit, ratio, goal: `≥ ${share} of the limit`, met: ratio >= share };
}

/** A row whose value must not be above `most`. */
export function rowAtMost(figure: string, unit: string, value: number, most: number, limit: number | null = null): Row {
  const ratio = limit === null ? null : value / limit;
  return { figure, value, unit, limit, ratio, goal: `≤ ${most} ${unit}`, met: value <= most };
}

/** A row whose value must not be below `least`. */
export function rowAtLeast(
  figure: string,
  unit: string,
  value: number,
  least: number,
  limit: number | null = null,
): Row {
  const ratio = limit === null ? null : value / limit;
  return { figure, value, unit, limit, ratio, goal: `≥ ${least} ${unit}`, met: value >= least };
}
