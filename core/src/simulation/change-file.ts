import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { z } from "zod";
import { pathOf } from "../config/faults.ts";
import { newChangeSchema } from "../engine/source-loop.ts";
import { messageOf } from "../errors/belfry-error.ts";
import { faults } from "../errors/catalogue.ts";
import type { NewChange } from "../interfaces/change-source.ts";
import type { Millis } from "../interfaces/values.ts";

/** A change, and when the master hears of it. */
export interface TimedChange {
  at: Millis;
  source: string;
  change: NewChange;
}

const MOST_FAULTS = 20;
const LONGEST_LINE = 8_000_000;
const MOST_LINES = 1_000_000;

const TIME = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d)?)?$/;
const moment = z.union([
  z.int().min(0).max(8_640_000_000_000_000),
  z
    .string()
    .refine(
      (text) => TIME.test(text) && !Number.isNaN(Date.parse(text)),
      'expected a time such as "2026-03-29T01:30:00Z", or milliseconds since 1970',
    )
    .transform((text) => Date.parse(text)),
]);

const line = newChangeSchema
  .partial()
  .extend({ at: moment, source: z.string().min(1).max(200).optional() })
  .strict();

/**
 * Reads changes from a file of JSON lines: on each an object with `at` and what `changes.add` takes.
 * They come back in the order of their times. Throws `BELFRY_SIMULATION_INPUT` with every fault and
 * its line.
 */
export async function readChanges(file: string): Promise<TimedChange[]> {
  const changes: TimedChange[] = [];
  const details: { path: string; message: string }[] = [];
  const keys = new Map<string, number>();
  let number = 0;
  const refuse = (message: string) => details.push({ path: `line ${number}`, message });
  try {
    for await (const text of createInterface({ input: createReadStream(file, "utf8"), crlfDelay: Infinity })) {
      number += 1;
      if (details.length >= MOST_FAULTS) break;
      if (text.trim() === "") continue;
      if (number > MOST_LINES) {
        refuse(`a file has at most ${MOST_LINES} lines`);
        break;
      }
      const read = readLine(text, number, refuse);
      if (!read) continue;
      const key = JSON.stringify([read.source, read.change.key]);
      const first = keys.get(key);
      if (first === undefined) keys.set(key, number);
      else refuse(`its key is that of line ${first} too`);
      changes.push(read);
    }
  } catch (error) {
    throw faults.simulationInput(file, [{ path: "", message: messageOf(error) }], error);
  }
  if (details.length > 0) throw faults.simulationInput(file, details);
  return changes.sort((a, b) => a.at - b.at);
}

function readLine(text: string, number: number, refuse: (message: string) => void): TimedChange | undefined {
  if (text.length > LONGEST_LINE) {
    refuse(`it is longer than ${LONGEST_LINE} characters`);
    return undefined;
  }
  let value: unknown;
  try {
    value = JSON.parse(number === 1 ? text.replace(/^\ufeff/, "") : text);
  } catch (error) {
    refuse(`it is no JSON: ${messageOf(error)}`);
    return undefined;
  }
  const parsed = line.safeParse(value);
  if (!parsed.success) {
    for (const issue of parsed.error.issues) refuse(`${pathOf(issue.path) || "the line"}: ${issue.message}`);
    return undefined;
  }
  const { at, source = "simulation", ...given } = parsed.data;
  const change = {
    key: `line ${number}`,
    author: "",
    comments: "",
    files: [],
    revision: null,
    branch: null,
    repository: "",
    ...given,
  };
  return { at, source, change: change as NewChange };
}
