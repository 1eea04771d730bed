import { readFile } from "node:fs/promises";
import { join } from "node:path";
import ts from "typescript";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Manifest, type Package, packages, root } from "./packages.ts";

const published = suite("packages as they are published");

const ALL = await packages();
const PUBLISHED = ALL.filter(({ folder, manifest }) => !folder.startsWith("examples/") && !manifest.private);
const folderOf = new Map(ALL.map(({ folder, manifest }) => [manifest.name, folder]));

/** What is wrong with each package, in a sentence; one list for all, so that a run shows everything. */
function faults(check: (one: Package) => string[]): string[] {
  return PUBLISHED.flatMap((one) => check(one).map((fault) => `${one.folder}: ${fault}`));
}

async function faultsOfFiles(check: (one: Package) => Promise<string[]>): Promise<string[]> {
  const found = await Promise.all(
    PUBLISHED.map(async (one) => (await check(one)).map((fault) => `${one.folder}: ${fault}`)),
  );
  return found.flat();
}

const textOf = (path: string) => readFile(join(root, path), "utf8").catch(() => "");
const oursIn = (dependencies: Manifest["dependencies"]) =>
  Object.entries(dependencies ?? {}).filter(([name]) => folderOf.has(name));

published("there are packages to look at", () => {
  assert.ok(PUBLISHED.length >= 9, `${PUBLISHED.length} packages`);
});

published("a package is named after its folder, and all have one version", () => {
  const version = PUBLISHED.find(({ folder }) => folder === "core")?.manifest.version;
  const wrong = faults(({ folder, manifest }) => {
    const name = folder === "core" ? "belfry" : `@belfry/${folder.split("/")[1]}`;
    return [
      ...(manifest.name === name ? [] : [`it is named ${manifest.name}`]),
      ...(manifest.version === version ? [] : [`its version is ${manifest.version}, core's is ${version}`]),
      ...(manifest.license === "MIT" ? [] : ["its license is not MIT"]),
    ];
  });
  assert.equal(wrong, []);
});

published("what is exported is compiled, with types, and the sources only to this repository", () => {
  const entry = { source: "./src/index.ts", types: "./dist/index.d.ts", default: "./dist/index.js" };
  const wrong = faults(({ manifest }) => {
    const main = manifest.exports?.["."];
    return [
      // Node and tsc take the first condition that fits, so the order counts.
      ...(JSON.stringify(main) === JSON.stringify(entry) ? [] : [`"." exports ${JSON.stringify(main)}`]),
      ...(manifest.exports?.["./package.json"] === "./package.json" ? [] : ["package.json is not exported"]),
      ...(manifest.scripts?.["prepack"] === "tsc -b" ? [] : ["`prepack` does not compile it"]),
    ];
  });
  assert.equal(wrong, []);
});

published("a package carries what was compiled, a README and the license, and no notes of the compiler", async () => {
  const license = await textOf("LICENSE");
  const wrong = await faultsOfFiles(async ({ folder, manifest }) => {
    const wanted = ["dist", "!dist/.tsbuildinfo", "README.md", "LICENSE"];
    return [
      ...wanted.filter((file) => !manifest.files?.includes(file)).map((file) => `"files" does not list ${file}`),
      ...((await textOf(`${folder}/LICENSE`)) === license ? [] : [`run \`cp LICENSE ${folder}/\``]),
      ...((await textOf(`${folder}/README.md`)).length > 200 ? [] : ["it has no README.md worth the name"]),
    ];
  });
  assert.equal(wrong, []);
});

published("dependencies are pinned, and belfry is a peer, so that there is one copy of it", () => {
  const core = PUBLISHED.find(({ folder }) => folder === "core")?.manifest.version as string;
  const wrong = faults(({ folder, manifest }) => [
    ...Object.entries({ ...manifest.dependencies, ...manifest.peerDependencies })
      .filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))
      .map(([name, version]) => `${name} is not pinned: ${version}`),
    ...("belfry" in (manifest.dependencies ?? {}) ? ["belfry is a dependency and no peer"] : []),
    ...(folder === "core" || manifest.peerDependencies?.["belfry"] === core ? [] : [`its peer belfry is not ${core}`]),
    ...[...oursIn(manifest.dependencies), ...oursIn(manifest.peerDependencies)]
      .filter(([, version]) => version !== core)
      .map(([name]) => `${name} is not at version ${core}`),
  ]);
  assert.equal(wrong, []);
});

published("a package is compiled after those of ours that it depends on", async () => {
  const wrong = await faultsOfFiles(async ({ folder, manifest }) => {
    const { config } = ts.parseConfigFileTextToJson("tsconfig.json", await textOf(`${folder}/tsconfig.json`));
    const references = ((config?.references ?? []) as { path: string }[]).map(({ path }) => join(folder, path));
    const wanted = [...oursIn(manifest.dependencies), ...oursIn(manifest.peerDependencies)].map(
      ([name]) => folderOf.get(name) as string,
    );
    return [
      ...(config?.compilerOptions?.composite ? [] : ["its tsconfig.json is not composite"]),
      ...wanted.filter((one) => !references.includes(one)).map((one) => `tsconfig.json does not refer to ${one}`),
      ...references
        .filter((one) => !wanted.includes(one))
        .map((one) => `it refers to ${one} and does not depend on it`),
    ];
  });
  assert.equal(wrong, []);
});

published.run();
