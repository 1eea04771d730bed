import { anyBranch, force, triggerable } from "@belfry/schedulers";
import { step, until } from "@belfry/testkit";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { unescaped, webWorld } from "./world.ts";

const test = suite("the page of a build");

/** A master with "all", whose builds fail in their second step, and leave this and that. */
const failing = () =>
  webWorld(
    {},
    {
      schedulers: [
        force({ name: "by hand", builders: ["all"] }),
        triggerable({ name: "others", builders: ["other"] }),
        anyBranch({ name: "changes", builders: ["all"] }),
      ],
      builders: [
        { name: "other", workers: ["w"], steps: [step({ run: () => ({ result: "success" }) })] },
        {
          name: "all",
          workers: ["w"],
          steps: [
            step({
              title: "pack",
              run: async (ctx) => {
                ctx.link("the package", "https://example.org/p.tgz");
                ctx.buildData("packages", { left: ["pad"] });
                ctx.buildData("a/b é.bin", new Uint8Array([1, 2, 255]));
                await ctx.trigger({ scheduler: "others" });
                return { result: "success" };
              },
            }),
            step({
              title: "compile",
              run: async (ctx) => {
                const fine = Array.from({ length: 700 }, (_, i) => `fine ${i}\n`).join("");
                await ctx.log("out").write(`${fine}src/a.c:1: error: no <b>\n${fine}`);
                return { result: "failure" };
              },
            }),
          ],
        },
      ],
    },
  );

test("the head names who changed something, how long it waited and which was before", async () => {
  await using world = await failing();
  for (const author of ["Ada", "Bob"]) await world.kit.addChange({ author, revision: author, comments: "mend it" });
  await until(
    async () => (await world.kit.call("builds.list", { builder: "all", state: "finished" })).items.length > 0,
    "a build",
  );
  const { body } = await world.get("/builders/all/builds/1");
  assert.match(body, /<dt>People<\/dt><dd><bdi>Ada<\/bdi>.*<a href="#changes">\d changes?<\/a>/);
  assert.match(body, /<dt>Waited<\/dt><dd><span class="took">\d+ m?s<\/span>/);
  assert.not.match(body, 'rel="prev"');
});

test("a step that failed has its first line with an error, and it leads to that line of the log", async () => {
  await using world = await failing();
  await world.build("all");
  await world.kit.event("build.explained");
  const { body } = await world.get("/builders/all/builds/1");
  const href =
    /<div class="step" id="step-2">.*?<p class="error"><a href="([^"]*)">line 701<\/a> <code dir="auto">src\/a.c:1: error: no &lt;b><\/code>/s.exec(
      body,
    )?.[1];
  assert.is(href, "/builders/all/builds/1/steps/2/logs/1?from=696#L701");
  assert.match((await world.get(href ?? "")).body, /<li id="L696"/);
  assert.match(body, '<a href="#step-2" tabindex="-1" aria-label="compile: failure');
});

test("links, files and triggered builds of the steps are there", async () => {
  await using world = await failing();
  await world.build("all");
  const { body } = await world.get("/builders/all/builds/1");
  assert.match(
    body,
    /<li><a href="https:\/\/example.org\/p.tgz" rel="noreferrer"><bdi>the package<\/bdi><\/a> of <a href="#step-1">/,
  );
  assert.match(body, /id="triggered".*others/s);
  const hrefs = [...body.matchAll(/<a href="([^"]*\/data\/[^"]*)" download>/g)].map(([, href]) =>
    unescaped(href ?? ""),
  );
  assert.is(hrefs.length, 2);
  const [odd, packages] = await Promise.all(hrefs.map((href) => fetch(`${world.url}${href}`)));
  assert.equal([...new Uint8Array(await (odd as Response).arrayBuffer())], [1, 2, 255]);
  assert.is(odd?.headers.get("content-type"), "application/octet-stream");
  assert.is(odd?.headers.get("content-disposition"), 'attachment; filename="a_b_.bin"');
  assert.equal(await packages?.json(), { left: ["pad"] });
  assert.match(packages?.headers.get("content-security-policy") ?? "", "sandbox");
  assert.is((await world.get("/builders/all/builds/1/data/none")).status, 404);
});

test("a build that failed by what it triggered leads there from where it says why", async () => {
  await using world = await webWorld(
    {},
    {
      schedulers: [force({ name: "by hand", builders: ["all"] }), triggerable({ name: "others", builders: ["other"] })],
      builders: [
        { name: "other", workers: ["w"], steps: [step({ run: () => ({ result: "failure" }) })] },
        {
          name: "all",
          workers: ["w"],
          steps: [
            step({
              title: "deploy",
              run: async (ctx) => ({ result: (await (await ctx.trigger({ scheduler: "others" })).ended()).result }),
            }),
          ],
        },
      ],
    },
  );
  await world.build("all");
  await world.kit.event("build.explained", ({ builder }) => builder === "all");
  const { body } = await world.get("/builders/all/builds/1");
  const why = /<section class="why".*?<\/section>/s.exec(body)?.[0] ?? "";
  assert.match(why, /deploy<\/bdi>.*It triggered <a href="\/builders\/other\/builds\/1">.*failure/s);
});

test("a build that was tried again leads to the next try, and only those after it had tries before", async () => {
  let tries = 0;
  await using world = await webWorld(
    {},
    {
      schedulers: [force({ name: "by hand", builders: ["all"] })],
      builders: [
        {
          name: "all",
          workers: ["w"],
          steps: [step({ run: () => ({ result: ++tries === 1 ? "retry" : "success" }) })],
        },
      ],
    },
  );
  await world.build("all");
  const [first, second] = await Promise.all([1, 2].map((n) => world.get(`/builders/all/builds/${n}`)));
  assert.not.match(first?.body ?? "", "before</dd>");
  const next = /<dt>Built again<\/dt><dd><a href="([^"]*)">the next try/.exec(first?.body ?? "")?.[1];
  assert.is((await world.get(next ?? "")).headers.location, "/builders/all/builds/2");
  assert.match(second?.body ?? "", "with 1 try before</dd>");
  assert.not.match(second?.body ?? "", "Built again");
});

test("the times of steps go up to now while one runs, and to the end afterwards", async () => {
  await using world = await webWorld();
  const set = await world.begin();
  assert.match((await world.get("/builders/slow/builds/1")).body, /<p class="axis"><span>0<\/span><span>now<\/span>/);
  world.release();
  await world.kit.buildsetEnd(set);
  assert.match(
    (await world.get("/builders/slow/builds/1")).body,
    /<p class="axis"><span>0<\/span><span>\d+ m?s<\/span>/,
  );
});

test("what a build leaves while it runs comes to the page by itself", async () => {
  await using world = await webWorld();
  await world.begin();
  const { body } = await world.get("/builders/slow/builds/1");
  for (const name of ["build.head", "build.steps", "build.more"])
    assert.match(body, new RegExp(`data-name="${name}" data-snippet="/web/snippets/${name}\\?`));
});

test.run();
