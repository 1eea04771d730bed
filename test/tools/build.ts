// `npm run build`: compiles every package that has a tsconfig.json, in the order that their references ask for.
import { spawnSync } from "node:child_process";
import { packages } from "./packages.ts";

const folders = (await packages()).filter(({ compiled }) => compiled).map(({ folder }) => folder);
const { status, error } = spawnSync("tsc", ["-b", ...folders, ...process.argv.slice(2)], {
  stdio: "inherit",
  shell: process.platform === "win32",
});
if (error) throw error;
process.exitCode = status ?? 1;
