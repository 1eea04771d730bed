import "reflect-metadata";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { container } from "tsyringe";
import type { Command } from "../interfaces/command.ts";
import { isPlugin } from "../plugins/define.ts";
import { Registry, Shelf } from "../plugins/registry.ts";

interface Manifest {
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
  belfry?: { commands?: unknown };
}

/**
 * Commands that need no configuration, of plugins that the nearest package.json depends on. Such a
 * plugin names them in its own: `"belfry": { "commands": ["listen"] }`. One that cannot be loaded
 * has no commands.
 */
export async function installedCommands(folder: string): Promise<Command[]> {
  const home = nearestPackage(folder);
  if (home === undefined) return [];
  const { dependencies, devDependencies, optionalDependencies } = manifestAt(home);
  const names = Object.keys({ ...dependencies, ...devDependencies, ...optionalDependencies });
  const found: Command[] = [];
  for (const name of names) {
    const wanted = commandNames(installedManifest(home, name));
    if (wanted.length === 0) continue;
    found.push(...(await commandsOf(home, name)).filter((command) => wanted.includes(command.name)));
  }
  return found;
}

async function commandsOf(home: string, name: string): Promise<Command[]> {
  try {
    const entry = createRequire(join(home, "package.json")).resolve(name);
    const { default: plugin } = await import(pathToFileURL(entry).href);
    if (!isPlugin(plugin)) return [];
    const registry = new Registry(new Shelf(container.createChildContainer()));
    registry.load(plugin);
    return registry.commands.map(({ command }) => command);
  } catch {
    return [];
  }
}

function nearestPackage(folder: string): string | undefined {
  for (let at = folder; ; at = dirname(at)) {
    if (existsSync(join(at, "package.json"))) return at;
    if (dirname(at) === at) return undefined;
  }
}

/** The package.json of a dependency, where Node would find the package. */
function installedManifest(home: string, name: string): Manifest {
  for (let at = home; ; at = dirname(at)) {
    const folder = join(at, "node_modules", name);
    if (existsSync(join(folder, "package.json"))) return manifestAt(folder);
    if (dirname(at) === at) return {};
  }
}

function manifestAt(folder: string): Manifest {
  try {
    return JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) ?? {};
  } catch {
    return {};
  }
}

function commandNames({ belfry }: Manifest): string[] {
  const names = belfry?.commands;
  return Array.isArray(names) ? names.filter((name) => typeof name === "string") : [];
}
