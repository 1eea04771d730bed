import { readFile } from "node:fs/promises";
import { z } from "zod";
import { type Report, reportIssues } from "../config/faults.ts";
import { messageOf } from "../errors/belfry-error.ts";
import { faults } from "../errors/catalogue.ts";
import type { Millis } from "../interfaces/values.ts";
import { duration } from "../plugins/define.ts";
import type { WrittenDurations } from "./build-model.ts";

const longest = duration.refine((millis) => millis <= 31_536_000_000, "a build lasts a year at most");
const schema = z.record(z.string(), z.union([longest, z.record(z.string(), longest)]));

/**
 * Reads how long builds last from a JSON file: for each builder, or `*`, a length such as "10m", or
 * one for each worker, or `*`. Throws `BELFRY_SIMULATION_INPUT`.
 */
export async function readDurations(file: string): Promise<WrittenDurations> {
  let value: unknown;
  try {
    value = JSON.parse(await readFile(file, "utf8"));
  } catch (error) {
    throw faults.simulationInput(file, [{ path: "", message: messageOf(error) }], error);
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) {
    const details: { path: string; message: string }[] = [];
    const report: Report = (path, message) => details.push({ path, message });
    reportIssues(parsed.error.issues, [], report);
    throw faults.simulationInput(file, details);
  }
  return new Map(
    Object.entries(parsed.data).map(([builder, given]): [string, Map<string, Millis>] => [
      builder,
      new Map(typeof given === "number" ? [["*", given]] : Object.entries(given)),
    ]),
  );
}
