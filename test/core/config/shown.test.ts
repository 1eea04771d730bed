import { tmpdir } from "node:os";
import { join } from "node:path";
import { gitPoller } from "@belfry/git";
import { postgres } from "@belfry/postgres";
import { shell } from "@belfry/steps";
import { localWorker } from "@belfry/worker";
import { defineConfig, interpolate, Master, property, secret } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { showConfig } from "../../../core/src/config/shown.ts";

const shown = suite("a configuration as it is kept and shown");
const show = (value: unknown) => JSON.parse(showConfig(value));

shown("holds entries as kind and options, and names what is computed", () => {
  const config = defineConfig({
    database: postgres({ url: "postgres://belfry@db.example.org/belfry" }),
    workers: [localWorker({ name: "here", slots: 2 })],
    builders: [
      {
        name: "app",
        workers: ["here"],
        steps: [shell({ command: ["make", interpolate`dist-${property("branch")}`], env: { KEY: secret("deploy") } })],
      },
    ],
  });
  const { generation } = new Master(config, { folder: join(tmpdir(), "belfry-no-such-folder") });
  assert.equal(JSON.parse(generation.shown), {
    database: { kind: "@belfry/postgres/database", options: { url: "postgres://****@db.example.org/belfry" } },
    workers: [{ kind: "@belfry/worker/local", options: { name: "here", slots: 2 } }],
    builders: [
      {
        name: "app",
        workers: ["here"],
        steps: [
          {
            kind: "@belfry/steps/shell",
            options: {
              command: ["make", { $render: "dist-${property branch}" }],
              env: { KEY: { $render: "secret deploy" } },
            },
          },
        ],
      },
    ],
  });
});

shown("masks what is below a key that sounds like a secret", () => {
  const text = showConfig({
    password: "hunter2",
    dbPassword: "hunter2",
    env: { NPM_TOKEN: "hunter2", API_KEY: "hunter2", PATH: "/bin" },
    headers: { Authorization: "Bearer hunter2" },
    tokens: ["hunter2", { deploy: "hunter2" }],
    secrets: [{ kind: "vault.fixed", options: { values: { deploy: "hunter2" }, list: ["hunter2"] } }],
    credentials: { user: "hunter2", pin: 1234 },
  });
  assert.not.match(text, /hunter2/);
  assert.match(text, /"PATH":"\/bin"/);
  assert.match(text, /"kind":"vault\.fixed"/);
});

shown("masks credentials in addresses, wherever they stand", () => {
  const config = {
    url: "https://user:hunter2@example.org/a@b",
    odd: "postgres://user:hun@ter2@db/x",
    query: "postgres://db/x?user=me&password=hunter2&sslmode=require",
    words: "host=db password=hunter2 user=me",
    text: "clone https://hunter2@example.org/x.git and https://example.org/y",
    address: new URL("https://user:hunter2@example.org/x"),
    compute: () => "https://user:hunter2@example.org/x",
    sources: [gitPoller({ repository: "https://ci:hunter2@example.org/app.git" })],
  };
  const text = showConfig(config);
  assert.not.match(text, /hunter2|ter2/);
  assert.is(show(config).url, "https://****@example.org/a@b");
  assert.is(show(config).query, "postgres://db/x?user=me&password=****&sslmode=require");
  assert.is(show(config).text, "clone https://****@example.org/x.git and https://example.org/y");
});

shown("holds functions by their source, so that a change in them shows", () => {
  const one = { doStepIf: (build: { number: number }) => build.number > 1 };
  const two = { doStepIf: (build: { number: number }) => build.number > 2 };
  assert.match(show(one).doStepIf.$function, /build\.number > 1/);
  assert.is.not(showConfig(one), showConfig(two));
  assert.is(showConfig(one), showConfig({ ...one }));
});

shown("can show whatever options may hold", () => {
  const round: Record<string, unknown> = {
    name: "x",
    when: new Date(0),
    pattern: /a+/i,
    big: 2n ** 70n,
    gone: undefined,
  };
  round["self"] = round;
  assert.equal(
    show({
      round,
      twice: [round, round].length,
      map: new Map([["a", 1]]),
      set: new Set([1]),
      bytes: new Uint8Array(9),
    }),
    {
      round: {
        name: "x",
        when: "1970-01-01T00:00:00.000Z",
        pattern: { $pattern: "/a+/i" },
        big: { $bigint: "1180591620717411303424" },
        self: { $again: 1 },
      },
      twice: 2,
      map: { $map: [["a", 1]] },
      set: { $set: [1] },
      bytes: { $bytes: 9 },
    },
  );
});

shown.run();
