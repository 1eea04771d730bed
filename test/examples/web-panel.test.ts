import { http } from "@belfry/http";
import { testMaster } from "@belfry/testkit";
import { web } from "@belfry/web";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import config from "../../examples/web-panel/belfry.config.ts";
import { slowest } from "../../examples/web-panel/slowest.ts";
import { httpUrl } from "../bench/http-url.ts";
import { ask } from "../plugins/http/world.ts";

const test = suite("examples/web-panel");

test("the page of a build has the panel, and the page of its own leads there", async () => {
  const { database: _, ...rest } = config;
  await using kit = await testMaster({
    config: { ...rest, services: [http({ port: 0 }), web(), slowest({ show: 2 })] },
  });
  const { buildset } = await kit.call("schedulers.force", {});
  await kit.buildsetEnd(buildset);
  const url = httpUrl(kit.master);
  const { body } = await ask(`${url}/builders/naps/builds/1`);
  assert.match(body, /Slowest steps<\/h2>\s*<ol><li>long nap: \d+ ms<\/li><li>nap: \d+ ms<\/li><\/ol>/);
  const page = await ask(`${url}/slowest`);
  assert.match(page.body, /<a href="\/slowest" aria-current="page">Slowest<\/a>/);
  assert.match(page.body, '<a href="/builders/naps/builds/1">naps #1</a>');
});

test.run();
