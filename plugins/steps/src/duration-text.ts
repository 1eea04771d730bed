const UNITS: [name: string, millis: number][] = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
  ["second", 1_000],
];

/** A length of time in words, in the largest unit that fits it evenly: "20 minutes", "90 seconds", "1.5 seconds". */
export function durationText(millis: number): string {
  const [name, size] = UNITS.find(([, unit]) => millis >= unit && millis % unit === 0) ?? ["second", 1_000];
  const count = Math.round((millis / size) * 1_000) / 1_000;
  return `${count} ${name}${count === 1 ? "" : "s"}`;
}
