import { readFile } from "node:fs/promises";
import { builtinModules } from "node:module";
import { dirname, join } from "node:path";
import ts from "typescript";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Package, packages, root, sourcesOf } from "./packages.ts";

const borders = suite("borders between packages");

const ALL = await packages();
const OURS = new Set(ALL.map(({ manifest }) => manifest.name));

/** What core must never import, nor anything that begins with it and a slash. */
const NOT_IN_CORE = [
  ...["http", "https", "http2", "net/http"].flatMap((name) => [name, `node:${name}`]),
  ...["koa", "@koa", "jayson", "xmlrpc", "saxes", "sax", "xmlbuilder", "fast-xml-parser", "express", "undici", "ws"],
  ...["isomorphic-git", "simple-git", "preact", "@mikro-orm/sqlite", "@mikro-orm/postgresql", "better-sqlite3", "pg"],
];

interface Import {
  file: string;
  specifier: string;
}

/** Every import of a file: static, dynamic and of types only. */
function importsOf(file: string, text: string): Import[] {
  return ts.preProcessFile(text, true, true).importedFiles.map(({ fileName }) => ({ file, specifier: fileName }));
}

async function importsIn(folder: string): Promise<Import[]> {
  const files = await sourcesOf(folder);
  return (
    await Promise.all(files.map(async (file) => importsOf(file, await readFile(join(root, file), "utf8"))))
  ).flat();
}

const isRelative = (specifier: string) => specifier.startsWith(".");
const isBuiltin = (specifier: string) => specifier.startsWith("node:") || builtinModules.includes(specifier);
const packageOf = (specifier: string) => specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
const isOrIsBelow = (specifier: string, name: string) => specifier === name || specifier.startsWith(`${name}/`);
const roomOf = (folder: string) => folder.split("/")[0] as string;
const named = (imports: Import[]) => imports.map(({ file, specifier }) => `${file} imports ${specifier}`);

/** Calls `allowed` for every import of the packages of a room and names those that are not. */
async function violations(rooms: string[], allowed: (one: Import, of: Package) => boolean): Promise<string[]> {
  const found: string[] = [];
  for (const one of ALL.filter(({ folder }) => rooms.includes(roomOf(folder)))) {
    const folder = roomOf(one.folder) === "examples" ? one.folder : `${one.folder}/src`;
    found.push(...named((await importsIn(folder)).filter((imported) => !allowed(imported, one))));
  }
  return found;
}

borders("core imports no dialect, no protocol, no database driver and no plugin", async () => {
  const forbidden = await violations(
    ["core"],
    ({ specifier }) =>
      !NOT_IN_CORE.some((name) => isOrIsBelow(specifier, name)) &&
      !isOrIsBelow(specifier, "@belfry") &&
      !(OURS.has(packageOf(specifier)) && packageOf(specifier) !== "belfry"),
  );
  assert.equal(forbidden, []);
});

borders("no file of core names Node's HTTP modules, not even in a string", async () => {
  const naming: string[] = [];
  for (const file of await sourcesOf("core")) {
    if (/node:http|require\(["']https?2?["']\)/.test(await readFile(join(root, file), "utf8"))) naming.push(file);
  }
  assert.equal(naming, []);
});

borders(
  "a package imports another one of ours only by its public entry, and itself only by relative paths",
  async () => {
    const reaching = await violations(["core", "plugins", "compat", "examples"], ({ specifier }, { manifest }) => {
      if (isRelative(specifier) || !OURS.has(packageOf(specifier))) return true;
      return specifier === packageOf(specifier) && specifier !== manifest.name;
    });
    assert.equal(reaching, []);
  },
);

borders("no relative import leaves its package's sources", async () => {
  const leaving = await violations(["core", "plugins", "compat", "examples"], ({ file, specifier }, { folder }) => {
    if (!isRelative(specifier)) return true;
    const home = roomOf(folder) === "examples" ? `${folder}/` : `${folder}/src/`;
    return join(dirname(file), specifier).startsWith(home);
  });
  assert.equal(leaving, []);
});

borders("plugins import no dialect and no example", async () => {
  const dialects = ALL.filter(({ folder }) => ["compat", "examples"].includes(roomOf(folder)));
  const names = dialects.map(({ manifest }) => manifest.name);
  assert.equal(await violations(["plugins"], ({ specifier }) => !names.includes(packageOf(specifier))), []);
});

borders(
  "of ours, a dialect imports only belfry, @belfry/http, and the words that Buildbot's dialects share",
  async () => {
    const shared = ["belfry", "@belfry/http", "@belfry/buildbot-words"];
    const foreign = await violations(
      ["compat"],
      ({ specifier }) => !OURS.has(packageOf(specifier)) || shared.includes(specifier),
    );
    assert.equal(foreign, []);
  },
);

borders("what a package imports, it declares", async () => {
  const undeclared = await violations(["core", "plugins", "compat"], ({ specifier }, { manifest }) => {
    if (isRelative(specifier) || isBuiltin(specifier)) return true;
    return packageOf(specifier) in { ...manifest.dependencies, ...manifest.peerDependencies };
  });
  assert.equal(undeclared, []);
});

borders("Node's modules are imported with `node:`", async () => {
  const bare = await violations(["core", "plugins", "compat"], ({ specifier }) => !builtinModules.includes(specifier));
  assert.equal(bare, []);
});

/** What starts, polls, runs, tells, or asks for secrets: a simulation does none of it. */
const NOT_IN_SIMULATION = [
  ...["engine", "runner", "build-run", "build-recorder", "step-worker", "worker-keeper", "listener-loop", "job-loop"],
  ...["secrets", "state-lock"],
].map((name) => `core/src/engine/${name}.ts`);

borders("a simulation imports nothing that does something real, and only its command imports it", async () => {
  const imports = await importsIn("core/src");
  const target = ({ file, specifier }: Import) => (isRelative(specifier) ? join(dirname(file), specifier) : specifier);
  const inside = (file: string) => file.startsWith("core/src/simulation/");
  const real = imports.filter(
    (one) => inside(one.file) && [...NOT_IN_SIMULATION, "core/src/master.ts"].includes(target(one)),
  );
  assert.equal(named(real), []);
  const entering = imports.filter((one) => inside(target(one)) && !inside(one.file));
  assert.equal(
    named(entering.filter(({ file }) => !/^core\/src\/cli\/(commands\/simulate|simulation\/)/.test(file))),
    [],
  );
});

borders("the checks see static, dynamic, type and re-exporting imports", () => {
  const text = `
    import { a } from "one";
    import type { B } from "two";
    export * from "three";
    export type { C } from "four";
    const five = await import("five");
    let six: import("six").Six;
    import "seven";
    const comment = 1; // import "eight"
    const text = 'import "nine"';
  `;
  const seen = importsOf("x.ts", text).map(({ specifier }) => specifier);
  assert.equal(seen.sort(), ["five", "four", "one", "seven", "six", "three", "two"]);
  assert.is(packageOf("@belfry/http/inside"), "@belfry/http");
  assert.is(packageOf("belfry/inside"), "belfry");
});

borders.run();
