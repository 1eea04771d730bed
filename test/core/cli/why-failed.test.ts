import { suite } from "uvu";
import * as assert from "uvu/assert";
import { configText, World } from "./program.ts";

const test = suite("belfry why-failed");

test("why-failed shows the failed steps with what their logs say, failed tests, and what changed", async () => {
  const output =
    "checking\\nx.c:3: error: no such thing\\n\\u001b]0;evil\\u0007error: with a title\\n# tests 2\\n# fail 1\\nnot ok 1 - adds\\n";
  await using world = await World.make(
    `import { test } from "@belfry/steps";\n${configText({
      builders: `
        { name: "bad", workers: ["here"], steps: [test({ command: ["printf", "${output}", ""], decodeRc: { 0: "failure" } })] },
        { name: "good", workers: ["here"], steps: [shell({ command: "true" })] },`,
      schedulers: 'force({ name: "force", builders: ["good", "bad"] })',
    })}`,
  );
  const master = await world.start();
  await world.run("force", "bad", "--wait");
  await world.run("force", "good", "--wait");
  const { code, out } = await world.run("why-failed", "bad", "last");
  assert.is(code, 1);
  assert.match(
    out,
    /^bad #1 ended as failure: test: .*1 of 2 tests failed\n\nstep 1 test: failure, .*\nstdio, lines that name errors:\n/,
  );
  assert.match(out, /\n +\d+ {2}x\.c:3: error: no such thing\n/);
  assert.match(out, "\n1 test failed:\n  adds\n");
  assert.match(out, "\nThere is no good build of this branch; no change is known since.\n");
  assert.not.match(out, /[\u001b\u0007]/);
  const { value } = await world.json("why-failed", "1");
  assert.equal([value.state, value.failure.failing], ["made", ["adds"]]);
  const good = await world.run("why-failed", "good", "1");
  assert.equal([good.code, good.out], [0, "good #1 did not fail; it ended as success.\n"]);
  assert.is((await world.run("why-failed", "nobody", "1")).code, 4);
  await master.signal("SIGINT");
});

test.run();
