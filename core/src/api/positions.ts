import { faults } from "../errors/catalogue.ts";

/** Reads the text of a position in the event log. */
export function readPosition(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw faults.cursorInvalid();
}
