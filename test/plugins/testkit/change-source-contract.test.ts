import { changeSourceContract, type WatchedWorld } from "@belfry/testkit";
import type { ChangeSource, NewChange, SourceContext } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { brokenPromises } from "./broken-promises.ts";

const test = suite("changeSourceContract");

const asChange = (number: number): NewChange => ({
  key: `commit ${number}`,
  author: "Ada",
  comments: `commit ${number}`,
  files: ["src/main.ts"],
  revision: String(number),
  branch: "main",
  repository: "counter",
});

type Poll = (ctx: SourceContext, count: () => number) => Promise<void>;

/** A counter as the thing that is watched: each change adds one to it. */
function worldOf(poll: Poll, more: Partial<ChangeSource> = {}): () => Promise<WatchedWorld> {
  return async () => {
    let count = 3;
    return {
      make: () => ({ pollInterval: 1_000, poll: (ctx) => poll(ctx, () => count), ...more }),
      change: async () => {
        count += 1;
      },
      close: async () => {},
    };
  };
}

const broken = (poll: Poll, more: Partial<ChangeSource> = {}) =>
  brokenPromises(changeSourceContract("x", { open: worldOf(poll, more), limit: 2_000 }));

const since = (first: number, last: number) => Array.from({ length: last - first }, (_, i) => asChange(first + i + 1));

const good: Poll = async (ctx, count) => {
  ctx.signal.throwIfAborted();
  await ctx.report(since(Number(ctx.state ?? 0), count()), count());
};

test("a source that keeps its promises passes", async () => {
  assert.equal(await broken(good), []);
});

test("finds a source that does not say how often", async () => {
  assert.equal(await broken(good, { pollInterval: 0 }), ["says how often it wants to poll"]);
});

test("finds one that remembers outside its state", async () => {
  const make = async (): Promise<WatchedWorld> => {
    let count = 3;
    return {
      make: () => {
        let seen = count;
        return {
          pollInterval: 1,
          poll: async (ctx) => {
            ctx.signal.throwIfAborted();
            await ctx.report(since(seen, count));
            seen = count;
          },
        };
      },
      change: async () => {
        count += 1;
      },
      close: async () => {},
    };
  };
  const titles = await brokenPromises(changeSourceContract("x", { open: make }));
  assert.ok(titles.includes("remembers only what is in its state, and that survives JSON"));
});

test("finds keys that are not for ever", async () => {
  const titles = await broken(async (ctx, count) => {
    ctx.signal.throwIfAborted();
    const changes = since(Number(ctx.state ?? 0), count()).map((change) => ({
      ...change,
      key: `${change.key} ${Math.random()}`,
    }));
    await ctx.report(changes, count());
  });
  assert.equal(titles, ["gives a change the same key when it has to be found again"]);
});

test("finds the newest first", async () => {
  const titles = await broken(async (ctx, count) => {
    ctx.signal.throwIfAborted();
    await ctx.report(since(Number(ctx.state ?? 0), count()).reverse(), count());
  });
  assert.equal(titles, ["reports the changes of some time in the order in which they were made"]);
});

test("finds files that are not relative to the root", async () => {
  for (const file of ["/etc/passwd", "../x", "a/../../x"]) {
    const titles = await broken(async (ctx, count) => {
      ctx.signal.throwIfAborted();
      const changes = since(Number(ctx.state ?? 0), count()).map((change) => ({ ...change, files: [file] }));
      await ctx.report(changes, count());
    });
    assert.equal(titles, ["describes changes as the interface says"]);
  }
});

test("finds one that hides that a report was refused", async () => {
  const titles = await broken(async (ctx, count) => {
    ctx.signal.throwIfAborted();
    await ctx.report(since(Number(ctx.state ?? 0), count()), count()).catch(() => {});
  });
  assert.equal(titles, ["fails when its report is not stored, and reports again the next time"]);
});

test("finds one that depends on its folder", async () => {
  const fs = await import("node:fs/promises");
  const titles = await broken(async (ctx, count) => {
    ctx.signal.throwIfAborted();
    const file = `${ctx.folder}/seen`;
    const seen = await fs.readFile(file, "utf8").catch(() => String(count()));
    await ctx.report(since(Number(seen), count()), count());
    await fs.writeFile(file, String(count()));
  });
  assert.ok(titles.includes("goes on when its folder has been emptied"));
});

test("finds reports that overlap or come too late", async () => {
  const titles = await broken(async (ctx, count) => {
    ctx.signal.throwIfAborted();
    const changes = since(Number(ctx.state ?? 0), count());
    await Promise.all([...changes.map((change) => ctx.report([change])), ctx.report([], count())]);
  });
  assert.equal(titles, ["reports one thing after the other"]);
  const late = await broken(async (ctx, count) => {
    ctx.signal.throwIfAborted();
    void ctx.report(since(Number(ctx.state ?? 0), count()), count()).catch(() => {});
  });
  assert.ok(late.includes("reports one thing after the other"));
});

test("finds one that does not listen when it is told to stop", async () => {
  const deaf: Poll = async (ctx, count) => ctx.report(since(Number(ctx.state ?? 0), count()), count()).then(() => {});
  assert.equal(await broken(deaf), ["lets go when it is told to"]);
});

test.run();
