// `npm run build`: compiles every package that has a tsconfig.json, in the order that their references ask for, and
// removes what was compiled from sources that are gone.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { join, relative } from "node:path";
import { packages, root } from "./packages.ts";

const folders = (await packages()).filter(({ compiled }) => compiled).map(({ folder }) => folder);
const { status, error } = spawnSync("tsc", ["-b", ...folders, ...process.argv.slice(2)], {
  cwd: root,
  stdio: "inherit",
  shell: process.platform === "win32",
});
if (error) throw error;
if (status === 0) await Promise.all(folders.map(removeOrphans));
process.exitCode = status ?? 1;

async function removeOrphans(folder: string): Promise<void> {
  const compiled = join(root, folder, "dist");
  const entries = existsSync(compiled) ? await readdir(compiled, { withFileTypes: true, recursive: true }) : [];
  for (const entry of entries) {
    const file = join(entry.parentPath, entry.name);
    const [, stem] = /^(.+?)(?:\.d\.ts|\.js)(?:\.map)?$/.exec(relative(compiled, file)) ?? [];
    const sources = [".ts", ".js"].map((ending) => join(root, folder, "src", `${stem}${ending}`));
    if (entry.isFile() && stem && !sources.some((source) => existsSync(source))) await rm(file, { force: true });
  }
}
