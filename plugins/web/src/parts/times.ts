/** A moment that a reader gave, as a form's field for date and time has it (in UTC), or in milliseconds since 1970. */
export function timeOf(text: string): number | undefined {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?$/.test(text)) return undefined;
  const millis = Date.parse(`${text}Z`);
  return Number.isNaN(millis) ? undefined : millis;
}

/** A moment as a form's field for date and time wants it. */
export function fieldTime(millis: number | undefined): string {
  return millis === undefined || millis > 8.64e15 ? "" : new Date(millis).toISOString().slice(0, 16);
}
