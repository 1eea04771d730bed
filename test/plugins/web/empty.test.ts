import { suite } from "uvu";
import * as assert from "uvu/assert";
import { webWorld } from "./world.ts";

const test = suite("lists that have nothing");

/** What stands on a page instead of a list. */
const empty = /<p class="empty">(.*?)<\/p>/s;
const words = (body: string) =>
  (empty.exec(body)?.[1] ?? "")
    .replace(/<[^>]*>/g, "")
    .replace(/\s+/g, " ")
    .trim();

test("a filter that nothing fits is told, with the way to everything", async () => {
  await using world = await webWorld();
  await world.kit.addChange({ revision: "5f6c835a", branch: "main" });
  await world.build("plain", "success", { revision: "5f6c835a", branch: "main" });
  const said = async (path: string) => words((await world.get(path)).body);
  for (const path of ["/waterfall?q=zzz", "/console?q=zzz", "/grid?tag=zzz", "/tgrid?project=zzz"])
    assert.is(await said(path), "No builder fits. Show all", path);
  for (const path of ["/grid?branch=zzz", "/tgrid?branch=zzz"])
    assert.is(await said(path), "No revision of the branch zzz was built yet by these builders.", path);
  assert.is(await said("/console?author=nobody"), "No change here fits what was chosen.");
  assert.is(await said("/changes?branch=zzz"), "No change here fits what was chosen. Show all");
  assert.is(
    await said("/changes?revision=zzz"),
    "No change here fits what was chosen. Show all or look for builds of this revision",
  );
  for (const path of ["/console?branch=%20main", "/grid?branch=main%20", "/changes?branch=%20main%20&revision=5f6c%20"])
    assert.is(await said(path), "", path);
});

test("a revision of which too little was given is told apart from one that is not here", async () => {
  await using world = await webWorld();
  const said = async (revision: string) => words((await world.get(`/console?revision=${revision}`)).body);
  assert.is(
    await said("5f6"),
    "No change is here, and no build of it. The beginning of a revision needs at least four of its digits.",
  );
  assert.is(await said("5f6c"), "No change is here, and no build of it.");
});

test.run();
