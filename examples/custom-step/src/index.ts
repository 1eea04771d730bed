import { type BuildStep, definePlugin, defineStep, z } from "belfry";

/** Fails the build when a built file has grown past its limit. */
export const sizeLimit = defineStep({
  kind: "size-limit",
  options: z.strictObject({
    file: z.string().min(1).describe("path of the file, relative to the build's folder"),
    maxBytes: z.int().positive().describe("largest size allowed, in bytes"),
  }),
  create: ({ file, maxBytes }): BuildStep => ({
    name: "size limit",
    async run(ctx) {
      const { size } = await ctx.worker.stat(file);
      await ctx.log("size").write(`${file}: ${size} of ${maxBytes} bytes\n`);
      return size <= maxBytes
        ? { result: "success", summary: `${file} fits` }
        : { result: "failure", summary: `${file} is ${size - maxBytes} bytes over` };
    },
  }),
});

export default definePlugin({ name: "belfry-plugin-size-limit", version: "0.1.0", parts: [sizeLimit] });
