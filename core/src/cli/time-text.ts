const two = (value: number) => String(value).padStart(2, "0");

/** A length of time for reading: `420 ms`, `12.3 s`, `4 min 05 s`, `2 h 07 min`. */
export function timeText(millis: number): string {
  const ms = Math.max(0, millis);
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1_000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1_000);
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${two(seconds % 60)} s`;
  const minutes = Math.floor(seconds / 60);
  return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`;
}

/** A length of time that is still growing: `0:34`, `1:02:03`. */
export function clockText(millis: number): string {
  const seconds = Math.max(0, Math.floor(millis / 1_000));
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}:${two(seconds % 60)}`;
  return `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(seconds % 60)}`;
}

/** The time of day, in the user's zone. */
export function hourText(time: number): string {
  const date = new Date(time);
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** Day and time, in the user's zone. */
export function dayText(time: number): string {
  const date = new Date(time);
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${hourText(time)}`;
}
