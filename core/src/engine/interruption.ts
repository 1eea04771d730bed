import type { Result } from "../interfaces/values.ts";

/** Why a build or step was told to end, and what that makes of it. */
export class Interruption extends Error {
  readonly result: Result;

  constructor(message: string, result: Result) {
    super(message);
    this.name = "Interruption";
    this.result = result;
  }
}
