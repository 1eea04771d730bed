import type { Json } from "belfry";
import { faults } from "./errors.ts";
import { Turns } from "./turns.ts";

export interface Style {
  /** Without what is empty, as Python's old status pages had it: 0 is empty, too. */
  filter: boolean;
  /** No blanks; else two blanks a level. */
  compact: boolean;
  /** Most characters. */
  limit: number;
}

/** An object or array that is being written. */
interface Frame {
  /** `undefined` for an array. */
  keys: string[] | undefined;
  values: readonly Json[];
  next: number;
  parts: string[];
  /** Whether anything in it is not empty. */
  full: boolean;
}

const NODES_BETWEEN_LOOKS = 256;

/**
 * JSON text with sorted keys. Written from the leaves up and in pieces, so that a large value
 * neither fills the stack nor holds up everybody else.
 */
export async function jsonText(value: Json, { filter, compact, limit }: Style): Promise<string> {
  const stack: Frame[] = [];
  const turns = new Turns();
  let nodes = 0;
  let length = 0;
  let current: Json = value;
  for (;;) {
    if (++nodes % NODES_BETWEEN_LOOKS === 0 && turns.due) await turns.give();
    if (typeof current === "object" && current !== null && sizeOf(current) > 0) {
      stack.push(frameOf(current));
      current = stack.at(-1)?.values[0] as Json;
      continue;
    }
    let text = JSON.stringify(filter && Array.isArray(current) ? null : current);
    let full = typeof current !== "object" && Boolean(current);
    length += text.length + 1;
    // It may have been the last member of the innermost frame, and that the last one of the frame around it.
    for (;;) {
      const frame = stack.at(-1);
      if (frame === undefined) return text;
      const key = frame.keys?.[frame.next];
      if (key === undefined) frame.parts.push(text);
      else if (full || !filter) {
        frame.parts.push(`${JSON.stringify(key)}:${compact ? "" : " "}${text}`);
        length += key.length + 3;
      }
      if (!compact) length += 2 * stack.length + 1;
      if (length > limit) throw faults.answerTooLarge(`It would have more than ${limit} characters.`);
      frame.full ||= full;
      frame.next += 1;
      if (frame.next < frame.values.length) {
        current = frame.values[frame.next] as Json;
        break;
      }
      stack.pop();
      text = ended(frame, stack.length);
      length += compact ? 1 : 2 * stack.length + 2;
      full = frame.full;
    }
  }

  function ended({ keys, parts, full }: Frame, depth: number): string {
    if (keys === undefined && filter && !full) return "null";
    const [open, close] = keys === undefined ? "[]" : "{}";
    if (parts.length === 0) return `${open}${close}`;
    if (compact) return `${open}${parts.join(",")}${close}`;
    const indent = `\n${"  ".repeat(depth)}`;
    return `${open}${indent}  ${parts.join(`,${indent}  `)}${indent}${close}`;
  }
}

type Container = Json[] | { [key: string]: Json };

const sizeOf = (value: Container): number => (Array.isArray(value) ? value.length : Object.keys(value).length);

function frameOf(value: Container): Frame {
  const keys = Array.isArray(value) ? undefined : Object.keys(value).sort();
  const values = Array.isArray(value) ? value : (keys ?? []).map((key) => value[key] as Json);
  return { keys, values, next: 0, parts: [], full: false };
}
