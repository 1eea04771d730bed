import { existsSync } from "node:fs";
import { access, mkdir, readFile, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { CONFIG_NAMES } from "../../config/load.ts";
import { faults } from "../../errors/catalogue.ts";
import { version } from "../../version.ts";
import type { CliCommand } from "../cli-command.ts";
import { EXIT } from "../exit-code.ts";
import { firstConfig, type Repository } from "../init/first-config.ts";

/** `belfry init`: a small configuration to begin with. */
const init: CliCommand = {
  name: "init",
  summary: "write a small configuration to begin with",
  define: (command) => {
    command.argument("[folder]", "where to; default: this folder");
  },
  async run(session, [given]) {
    const folder = resolve(session.cwd, typeof given === "string" ? given : ".");
    try {
      await mkdir(folder, { recursive: true });
      await access(folder);
    } catch (error) {
      throw faults.folderUnusable(folder, error);
    }
    const there = CONFIG_NAMES.map((name) => join(folder, name)).find((file) => existsSync(file));
    if (there !== undefined) {
      session.print({ written: [], kept: [there] }, () => [
        `There is a configuration already: ${there}`,
        "Nothing was written.",
      ]);
      return EXIT.bad;
    }
    const manifest = join(folder, "package.json");
    const known = await readManifest(manifest);
    const config = join(folder, known?.type === "commonjs" ? "belfry.config.mts" : "belfry.config.ts");
    const repository = await findRepository(folder);
    await writeFile(config, firstConfig(repository), { flag: "wx" });
    const written = [config];
    if (known === undefined) {
      await writeFile(manifest, firstManifest(folder), { flag: "wx" });
      written.push(manifest);
    }
    const missing = Object.keys(DEPENDENCIES).filter(
      (name) => !(known?.dependencies?.[name] ?? known?.devDependencies?.[name]),
    );
    const lines = [
      ...written.map((file) => `Written: ${file}`),
      ...(known === undefined ? [] : [`Kept as it is: ${manifest}`]),
      ...(repository === undefined ? ["There is no git repository here, so the configuration watches none yet."] : []),
      "",
      "Next:",
      ...(known === undefined
        ? ["  npm install"]
        : missing.length > 0
          ? [`  npm install ${missing.map((name) => `${name}@${version}`).join(" ")}`]
          : []),
      ...(known !== undefined && known.type === undefined ? ['  add "type": "module" to package.json'] : []),
      "  npx belfry start",
    ];
    session.print(
      { written, kept: known === undefined ? [] : [manifest], missing: known === undefined ? [] : missing },
      () => lines,
    );
    return EXIT.fine;
  },
};

export default init;

const DEPENDENCIES: Record<string, string> = Object.fromEntries(
  [
    "belfry",
    "@belfry/auth",
    "@belfry/git",
    "@belfry/http",
    "@belfry/jsonrpc",
    "@belfry/schedulers",
    "@belfry/sqlite",
    "@belfry/steps",
    "@belfry/web",
    "@belfry/worker",
  ].map((name) => [name, version]),
);

interface Manifest {
  type?: string;
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
}

/** What a package.json says; `undefined` if there is none. One that cannot be read is left alone like any other. */
async function readManifest(file: string): Promise<Manifest | undefined> {
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) =>
    error.code === "ENOENT" ? undefined : "{}",
  );
  if (text === undefined) return undefined;
  try {
    return (JSON.parse(text) ?? {}) as Manifest;
  } catch {
    return {};
  }
}

function firstManifest(folder: string): string {
  const name = basename(folder)
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, "-")
    .replace(/^-+|-+$/g, "");
  const manifest = {
    name: `${name || "my"}-belfry`.slice(0, 200),
    version: "0.0.0",
    private: true,
    type: "module",
    engines: { node: ">=22.18" },
    scripts: { start: "belfry start" },
    dependencies: DEPENDENCIES,
  };
  return `${JSON.stringify(manifest, null, 2)}\n`;
}

/** The git repository that the folder is the top of, with its branch; a folder within one counts too. */
async function findRepository(folder: string): Promise<Repository | undefined> {
  let path = ".";
  for (let place = folder; ; place = dirname(place)) {
    const head = await readHead(join(place, ".git"));
    if (head !== undefined) return { path, branch: /^ref: refs\/heads\/(.+)$/.exec(head.trim())?.[1] };
    if (dirname(place) === place) return undefined;
    path = path === "." ? ".." : `../${path}`;
  }
}

async function readHead(git: string): Promise<string | undefined> {
  const head = await readFile(join(git, "HEAD"), "utf8").catch(() => undefined);
  if (head !== undefined) return head;
  // A work tree of its own, or a submodule: a file that names the real folder.
  const pointer = await readFile(git, "utf8").catch(() => "");
  const target = /^gitdir: (.+)$/m.exec(pointer)?.[1];
  return target === undefined
    ? undefined
    : readFile(join(resolve(dirname(git), target), "HEAD"), "utf8").catch(() => undefined);
}
