import { readFile } from "node:fs/promises";
import { testMaster } from "@belfry/testkit";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { z } from "zod";
import { defineMethod } from "../../../core/src/api/method.ts";
import { apiReference } from "../../../core/src/api/reference.ts";
import { currentReference, REFERENCE } from "../../tools/api-reference.ts";

const reference = suite("the reference of the API");

reference("core/API.md agrees with the table of methods", async () => {
  const written = await readFile(REFERENCE, "utf8").catch(() => "");
  assert.ok(written === currentReference(), "run `node --conditions=source test/tools/api-reference.ts`");
});

reference("tells name, permission, stability, parameters, result and example of a method", () => {
  const method = defineMethod({
    name: "pigeons.send",
    permission: "control",
    summary: "Sends a pigeon | or two.",
    params: z.strictObject({
      to: z.string().min(1).max(20).describe("whom it flies to"),
      count: z.int().min(1).max(9).optional(),
      urgent: z.union([z.boolean(), z.enum(["very", "not"])]).optional(),
      notes: z.record(z.string(), z.json()).optional(),
      stops: z
        .array(z.object({ town: z.string() }))
        .min(1)
        .optional(),
      name: z.string().nullable().describe("of the pigeon"),
    }),
    result: z.object({ id: z.int().nullable().describe("none if it stays"), kinds: z.array(z.enum(["a", "b"])) }),
    example: { to: "home" },
    stability: "stable",
    call: async () => ({ id: 1, kinds: [] }),
  });
  const text = apiReference([method]);
  assert.equal(text.split("\n"), [
    "| method | needs | |",
    "| --- | --- | --- |",
    "| [`pigeons.send`](#pigeonssend) | control | Sends a pigeon \\| or two. |",
    "",
    "## pigeons.send",
    "",
    "Sends a pigeon | or two. Needs `control`; stable.",
    "",
    "| parameter | type | required | |",
    "| --- | --- | --- | --- |",
    "| `to` | `string` | yes | whom it flies to; 1 to 20 characters |",
    "| `count` | `integer` |  | 1 to 9 |",
    '| `urgent` | `boolean \\| "very" \\| "not"` |  |  |',
    "| `notes` | `{ [name]: Json }` |  |  |",
    "| `stops` | `{ town: string }[]` |  | at least 1 item |",
    "| `name` | `string \\| null` | yes | of the pigeon |",
    "",
    "Result:",
    "",
    "```ts",
    "{",
    "  id: integer | null // none if it stays",
    '  kinds: ("a" | "b")[]',
    "}",
    "```",
    "",
    'Example: `{"method":"pigeons.send","params":{"to":"home"}}`',
    "",
  ]);
});

reference("the example of each method fits its parameters", async () => {
  await using kit = await testMaster({ config: {} });
  for (const { name, example, params } of kit.master.api.methods()) {
    assert.ok(params.safeParse(example).success, name);
  }
});

reference("sorts methods by name, and says when one has no parameters", () => {
  const make = (name: string) =>
    defineMethod({
      name,
      permission: "read",
      summary: "Nothing.",
      params: z.strictObject({}),
      result: z.object({}),
      example: {},
      call: async () => ({}),
    });
  const text = apiReference([make("b.x"), make("a.x")]);
  assert.ok(text.indexOf("## a.x") < text.indexOf("## b.x"));
  assert.match(text, /Nothing\. Needs `read`; experimental\.\n\nNo parameters\.\n\nResult:\n\n```ts\n\{\}\n```/);
});

reference.run();
