import { existsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { BelfryError, messageOf } from "../errors/belfry-error.ts";
import { faults } from "../errors/catalogue.ts";
import { ownedCopy } from "./config.ts";
import { importAnew, withoutTags } from "./local-modules.ts";

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

/** A configuration that was loaded as a whole, with its local imports. */
export interface FreshConfig extends LoadedFile {
  /** A hash of its text and that of its local imports. */
  code: string;
  /** To be called when nobody needs it any more: Node never forgets a module, so what it exported is emptied. */
  release(): void;
}

/** Milliseconds. One that awaits something for ever must not keep every later one from being loaded. */
const LOAD_PATIENCE = 60_000;

/** Loads a configuration and everything local that it imports, as if for the first time. */
export async function loadFresh(file: string): Promise<FreshConfig> {
  try {
    const { exported: value, code } = await withinPatience(importAnew(file));
    const release = () => {
      const copy = ownedCopy(value);
      for (const key of Object.keys(copy ?? {})) delete copy?.[key];
    };
    return { file, folder: dirname(file), value, code, release };
  } catch (error) {
    if (BelfryError.is(error)) throw error;
    throw faults.configUnreadable(file, error, withoutTags(messageOf(error)));
  }
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

async function withinPatience<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const seconds = LOAD_PATIENCE / 1_000;
    timer = setTimeout(() => reject(new Error(`it took longer than ${seconds} seconds`)), LOAD_PATIENCE);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
