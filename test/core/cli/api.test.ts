import { suite } from "uvu";
import * as assert from "uvu/assert";
import { configText, World } from "./program.ts";

const test = suite("belfry api");

/** A configuration whose plugin adds a method. */
const WITH_METHOD = configText({
  head: `
import { definePlugin, defineService, z } from "belfry";
const nothing = defineService({ kind: "nothing", options: z.object({}), create: () => ({ start: async () => {}, stop: async () => {} }) });
const plugin = definePlugin({
  name: "weather",
  parts: [nothing],
  register: (host) => host.methods.add({
    name: "weather.now",
    permission: "read",
    summary: "The weather\\u001b[2J outside.",
    params: z.strictObject({ place: z.string().max(50).describe("where") }),
    result: z.object({ degrees: z.number().nullable(), winds: z.array(z.enum(["north", "south"])) }),
    example: { place: "here" },
    call: async () => ({ degrees: 20, winds: [] }),
  }),
});
void plugin;
`,
  services: "nothing({})",
});

const OF_WEATHER = `## weather.now

The weather outside. Needs \`read\`; experimental.

| parameter | type | required | |
| --- | --- | --- | --- |
| \`place\` | \`string\` | yes | where; at most 50 characters |

Result:

\`\`\`ts
{
  degrees: number | null
  winds: ("north" | "south")[]
}
\`\`\`

Example: \`{"method":"weather.now","params":{"place":"here"}}\`
`;

test("without a configuration it prints core's methods", async () => {
  await using world = await World.make();
  const { code, out } = await world.run("api");
  assert.is(code, 0);
  assert.match(out, /^\| method \| needs \| \|\n/);
  for (const name of ["builds.list", "logs.search", "tokens.revoke"]) {
    assert.ok(out.includes(`](#${name.replace(".", "")})`), name);
    assert.ok(out.includes(`\n## ${name}\n`), name);
  }
});

test("it has the methods of the configuration's plugins, without a master and with one, in the same words", async () => {
  await using world = await World.make(WITH_METHOD);
  const before = await world.run("api");
  assert.is(before.code, 0, before.err);
  assert.ok(before.out.includes(OF_WEATHER), before.out);
  assert.is((await world.run("api", "weather.now")).out, OF_WEATHER);
  await world.start();
  assert.is((await world.run("api")).out, before.out);
  // The running master counts, whatever the configuration says by now.
  await world.config("not a configuration");
  assert.is((await world.run("api", "weather.now")).out, OF_WEATHER);
});

test("--json gives the schemas", async () => {
  await using world = await World.make(configText());
  const { code, value } = await world.json("api", "logs.search");
  assert.is(code, 0);
  assert.is(value.items.length, 1);
  const [method] = value.items;
  assert.equal([method.name, method.permission], ["logs.search", "read"]);
  assert.equal(method.params.required, ["step"]);
  assert.equal(method.params.properties.limit, {
    type: "integer",
    minimum: 1,
    maximum: 1_000,
    description: "default 100",
  });
  assert.equal(method.result.properties.count.type, "integer");
  assert.is(
    (await world.json("api")).value.items.find(({ name }: { name: string }) => name === "builds.list").name,
    "builds.list",
  );
});

test("a method that there is not, and a configuration that cannot be used, are told", async () => {
  await using world = await World.make(configText());
  const unknown = await world.run("api", "nothing.such");
  assert.equal([unknown.code, unknown.out], [4, ""]);
  assert.match(unknown.err, 'There is no method "nothing.such".');
  assert.is((await world.run("api", "--config", "gone.ts", "--state", "state")).code, 5);
  await world.config("export default { builders: 7 };");
  const { code, value } = await world.json("api");
  assert.equal([code, value.error.code], [5, "BELFRY_CONFIG_INVALID"]);
});

test.run();
