import { readFileSync } from "node:fs";
import * as auth from "@belfry/auth";
import type { BelfryError } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { faults } from "../../../plugins/auth/src/errors.ts";
import { documented } from "../http/documented.ts";
import { authWorld } from "./world.ts";

const test = suite("@belfry/auth's README");

const readme = new URL("../../../plugins/auth/README.md", import.meta.url);

test("lists every error, and no other; each says what happened, why, and what to do", () => {
  const errors = Object.values(faults).map((make) => (make as (value: unknown) => BelfryError)("x"));
  assert.equal(documented(readme, /^\| `(BELFRY_\w+)`/), errors.map(({ code }) => code).sort());
  for (const { code, what, why, fix } of errors)
    for (const text of [what, why, fix]) assert.match(text, /^[A-Z`"].{8,}[.]$/s, `${code}: ${text}`);
});

test("lists every option, and no other", () => {
  assert.equal(documented(readme, /^\| `([a-z]\w+)` \|/), Object.keys(auth.auth.definition.options.shape).sort());
});

test("names every method and every command", async () => {
  await using world = await authWorld();
  const { methods, commands } = world.kit.master.registry;
  const own = methods.filter(({ plugin }) => plugin === "@belfry/auth").map(({ method }) => method.name);
  assert.ok(own.length > 10);
  const text = readFileSync(readme, "utf8");
  const written = [...text.matchAll(/`((?:sessions|links|people|ownTokens)\.\w+)`/g)].map(([, name]) => name);
  assert.equal([...new Set(written)].sort(), own.sort());
  const named = commands
    .filter(({ plugin }) => plugin === "@belfry/auth")
    .map(({ command }) => command.name)
    .sort();
  assert.equal(documented(readme, /^\| `belfry ([\w-]+)/).sort(), named);
});

test.run();
