// What `npm start` runs: Belfry builds the clone that it is started from. See README.md beside this file.
import { join, resolve } from "node:path";
import { auth } from "@belfry/auth";
import { gitCheckout, gitPoller } from "@belfry/git";
import { http } from "@belfry/http";
import { jsonrpc } from "@belfry/jsonrpc";
import { force } from "@belfry/schedulers";
import { sqlite } from "@belfry/sqlite";
import { shell } from "@belfry/steps";
import { web } from "@belfry/web";
import { localWorker } from "@belfry/worker";
import { defineConfig, interpolate, property } from "belfry";
import { commits } from "./commits.ts";
import { npmCi } from "./npm-ci.ts";
import { remark } from "./remark.ts";
import { findWatched } from "./watched.ts";

const root = resolve(import.meta.dirname, "../..");
const { repository, branch, isSample, note } = findWatched(root, join(root, ".belfry"));

// The builds are not part of the `npm start` that this master may run in.
const ofOuterNpm = Object.keys(process.env).filter((name) =>
  /^(npm_(lifecycle|package|command|execpath|node_execpath|config_local_prefix)|INIT_CWD$)/.test(name),
);

// Those that take minutes, or start whole programs, are part of `npm test`.
const unitTests = ["api", "config", "errors", "logs", "plugins"].map((part) => `test/core/${part}`);

const steps = isSample
  ? [gitCheckout(), shell({ name: "test", command: ["sh", "test.sh"] })]
  : [
      gitCheckout({ trusted: true, clean: "untracked" }),
      npmCi(),
      shell({ name: "type check", command: ["tsc", "-p", "tsconfig.json"] }),
      shell({ name: "unit tests", command: ["npm", "test", "--", ...unitTests] }),
    ];

export default defineConfig({
  title: "Belfry builds itself",
  database: sqlite(),
  services: [
    http({ port: Number(process.env["BELFRY_PORT"] ?? 8010) }),
    web(),
    auth(),
    jsonrpc(),
    remark({ text: note }),
  ],
  access: { anonymous: "read" },

  // The branch that is checked out is built as it is; of the others, what is committed from now on.
  sources: [
    gitPoller({ name: "current", repository, branches: [branch], pollInterval: "2s", trusted: true }),
    gitPoller({ name: "others", repository, branches: ["**", `!${branch}`], pollInterval: "2s", trusted: true }),
  ],
  schedulers: [
    commits({ name: "commits", builders: ["belfry"], current: "current" }),
    force({ name: "force", builders: ["belfry"], repository, branch }),
  ],

  workers: [localWorker({ name: "local", slots: 1, env: Object.fromEntries(ofOuterNpm.map((name) => [name, null])) })],
  builders: [
    {
      name: "belfry",
      description: isSample ? "the sample repository" : "npm ci, the type check and the unit tests of core",
      workers: ["local"],
      // npm puts Node 24 there, whatever the machine has.
      env: { PATH: interpolate`${property("builddir")}/node_modules/.bin:${process.env["PATH"] ?? ""}` },
      maxTime: "1h",
      steps,
    },
  ],
});
