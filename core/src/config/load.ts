import { existsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { BelfryError, messageOf } from "../errors/belfry-error.ts";
import { faults } from "../errors/catalogue.ts";

/** What a configuration may be called, the usual name first. */
export const CONFIG_NAMES = ["belfry.config.ts", "belfry.config.mts", "belfry.config.js", "belfry.config.mjs"];

export interface LoadedFile {
  file: string;
  folder: string;
  /** What the file exports by default, not yet checked. */
  value: unknown;
}

/** The path of the configuration: the one that is named, or the first usual one in this folder. */
export function findConfig(named: string | undefined, cwd: string): string {
  if (named !== undefined) {
    const file = resolve(cwd, named);
    if (!existsSync(file)) throw faults.configNotFound(file);
    return file;
  }
  const found = CONFIG_NAMES.map((name) => resolve(cwd, name)).find((file) => existsSync(file));
  if (!found) throw faults.configNotFound(resolve(cwd, CONFIG_NAMES[0] as string));
  return found;
}

/** Imports a configuration file. What it exports is not checked yet. */
export async function loadConfigFile(file: string): Promise<LoadedFile> {
  try {
    const module = await import(pathToFileURL(file).href);
    return { file, folder: dirname(file), value: module.default };
  } catch (error) {
    if (BelfryError.is(error)) throw error;
    throw faults.configUnreadable(file, error, messageOf(error));
  }
}
