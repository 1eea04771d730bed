/**
 * A moment that a reader gave: as a form's field for date and time has it (in UTC), only the day, or in milliseconds
 * since 1970.
 */
export function timeOf(text: string): number | undefined {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  const [, day, time = "00:00"] = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)Z?)?$/.exec(text) ?? [];
  if (day === undefined) return undefined;
  const millis = Date.parse(`${day}T${time}Z`);
  return Number.isNaN(millis) ? undefined : millis;
}

/** A moment as a form's field for date and time wants it. */
export function fieldTime(millis: number | undefined): string {
  return millis === undefined || millis > 8.64e15 ? "" : new Date(millis).toISOString().slice(0, 16);
}

/** What cannot be meant by two moments that a reader gave, in words for him. */
export function timeFaults(from: string, until: string): string[] {
  const broken = [from, until]
    .filter((text) => text !== "" && timeOf(text) === undefined)
    .map(
      (text) => `"${text.slice(0, 40)}" is no time, and was left out. Times are written as 2026-01-31T18:00, in UTC.`,
    );
  const [first, last] = [timeOf(from), timeOf(until)];
  if (first !== undefined && last !== undefined && first > last)
    broken.push("The time begins after it ends, so nothing can be in it. Exchange From and Until.");
  return broken;
}
