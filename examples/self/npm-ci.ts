import { createHash } from "node:crypto";
import { type BuildStep, definePlugin, defineStep, z } from "belfry";

/** Where the hash of the lockfile is kept that node_modules was installed from. */
const STAMP = "node_modules/.belfry-lock";

/** Runs `npm ci`, once for each lockfile: what is installed from the same one stays. */
export const npmCi = defineStep({
  kind: "npm-ci",
  options: z.strictObject({}),
  create: (): BuildStep => ({
    name: "npm ci",
    async run(ctx) {
      const lock = await ctx.worker.readFile("package-lock.json", { maxBytes: 64 * 1024 * 1024 });
      const hash = createHash("sha256").update(lock).digest("hex");
      if ((await ctx.worker.exists(STAMP)) && (await ctx.worker.readText(STAMP)) === hash) {
        return { result: "skipped", summary: "the lockfile is the same" };
      }
      const { code, signal } = await ctx.worker.run({
        command: ["npm", "ci", "--no-audit", "--no-fund"],
        timeout: 600_000,
      });
      ctx.signal.throwIfAborted();
      if (code !== 0) return { result: "failure", summary: code === null ? `ended by ${signal}` : `exit code ${code}` };
      await ctx.worker.writeFile(STAMP, hash);
      return { result: "success", summary: "installed" };
    },
  }),
});

export default definePlugin({ name: "belfry-self-npm-ci", version: "0.1.0", parts: [npmCi] });
