/** A git repository, as `belfry init` finds it. */
export interface Repository {
  /** From the configuration's folder. */
  path: string;
  /** What is checked out; `undefined` for no branch. */
  branch: string | undefined;
}

/** The configuration to begin with. */
export function firstConfig(repository: Repository | undefined): string {
  return `import { defineConfig } from "belfry";
import { auth } from "@belfry/auth";
${repository ? "" : "// "}import { gitCheckout, gitPoller } from "@belfry/git";
import { http } from "@belfry/http";
import { jsonrpc } from "@belfry/jsonrpc";
import { anyBranch, force } from "@belfry/schedulers";
import { sqlite } from "@belfry/sqlite";
import { shell } from "@belfry/steps";
import { web } from "@belfry/web";
import { localWorker } from "@belfry/worker";

export default defineConfig({
  title: "My builds",

  // Everything is kept in .belfry/ beside this file.
  database: sqlite(),

  // Pages at http://127.0.0.1:8010/, and the same for programs at /rpc. Looking is free. To force and to stop, sign in
  // by the link that \`belfry login-link\` prints; programs take a token (\`belfry token add\`).
  services: [http({ port: 8010 }), web(), auth(), jsonrpc()],
  access: { anonymous: "read" },

${repository ? sources(repository) : NO_SOURCES}
  // When to build: whenever a branch changes, and when somebody asks (\`belfry force\`).
  schedulers: [
    anyBranch({ name: "changes", builders: ["build"] }),
    force({ name: "force", builders: ["build"]${repository ? forced(repository) : ""} }),
  ],

  // Where to build: on this machine, two builds at a time.
  workers: [localWorker({ name: "here", slots: 2 })],

  // What to build: steps, one after the other.
  builders: [
    {
      name: "build",
      workers: ["here"],
      steps: [
        ${repository ? "" : "// "}gitCheckout(),
        shell({ name: "hello", command: "echo Hello from $(uname -s), in $PWD" }),
        // shell({ name: "tests", command: ["npm", "test"] }),
      ],
    },
  ],
});
`;
}

function sources({ path, branch }: Repository): string {
  return `  // Looks for new commits. Any address that git knows will do, such as "https://example.org/app.git"; a path starts
  // at this file.
  sources: [gitPoller({ repository: ${text(path)}, branches: [${text(branch ?? "**")}], pollInterval: "10s" })],
`;
}

const NO_SOURCES = `  // Looks for new commits: put your repository here, and take the comment signs away.
  // sources: [gitPoller({ repository: "https://example.org/app.git", branches: ["main"], pollInterval: "60s" })],
`;

function forced({ path, branch }: Repository): string {
  return `, repository: ${text(path)}${branch === undefined ? "" : `, branch: ${text(branch)}`}`;
}

function text(value: string): string {
  return JSON.stringify(value);
}
