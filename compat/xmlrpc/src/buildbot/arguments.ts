/** What the original did not answer either: its clients know only that something went wrong. */
export class Unanswerable extends Error {}

export function count(params: readonly unknown[], wanted: number): void {
  if (params.length !== wanted) throw new Unanswerable(`there are ${params.length} parameters, not ${wanted}`);
}

export function text(param: unknown): string {
  if (typeof param !== "string") throw new Unanswerable("a parameter is not a string");
  return param;
}

export function whole(param: unknown): number {
  if (!Number.isSafeInteger(param)) throw new Unanswerable("a parameter is not a whole number");
  return param as number;
}

export function seconds(param: unknown): number {
  if (typeof param !== "number") throw new Unanswerable("a parameter is not a number");
  return param;
}
