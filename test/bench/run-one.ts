// The process of one benchmark, started by run.ts: runs the file it is given and sends its rows back.
import { pathToFileURL } from "node:url";
import type { Bench } from "./bench.ts";

const file = process.argv[2];
if (!file || !process.send) throw new Error("This is started by `npm run bench`.");

const { default: bench } = (await import(pathToFileURL(file).href)) as { default?: Bench };
if (typeof bench?.run !== "function") await answer({ failed: "its default export has no `run`" });
else {
  try {
    await answer({ rows: await bench.run() });
  } catch (error) {
    console.error(error);
    await answer({ failed: error instanceof Error ? error.message : String(error) });
  }
}
process.disconnect();

function answer(message: object): Promise<void> {
  return new Promise((resolve, reject) => {
    process.send?.(message, (error: Error | null) => (error ? reject(error) : resolve()));
  });
}
