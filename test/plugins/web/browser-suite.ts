import { suite } from "uvu";
import { executable, missing } from "./browser.ts";

/** A suite whose tests need a browser: where there is none they are skipped, aloud. */
export function browserSuite(title: string) {
  const all = suite(title);
  if (executable === undefined) console.log(missing);
  // A master that waits for a worker's word has nothing that keeps the process running.
  let alive: NodeJS.Timeout;
  all.before(() => {
    alive = setInterval(() => {}, 1_000);
  });
  all.after(() => clearInterval(alive));
  return { test: executable === undefined ? all.skip : all, run: () => all.run() };
}
