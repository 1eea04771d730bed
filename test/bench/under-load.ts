import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";

/** What the client of `load.ts` does: for some seconds, or so many calls. */
export interface Load {
  url: string;
  method: string;
  /** `$i` in its JSON becomes the number of the call. */
  params: object;
  /** Connections, with one call at a time on each. */
  width: number;
  seconds?: number;
  count?: number;
  token?: string;
  /** Text that every answer has to hold. */
  expect: string;
}

const client = fileURLToPath(new URL("./load.ts", import.meta.url));

/** Calls a second, made by a process of its own. */
export function underLoad(load: Load): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = fork(client, [JSON.stringify(load)], {
      execArgv: [],
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    child.once("message", (value) => resolve(value as number));
    child.once("error", reject);
    child.once("exit", (code) => code !== 0 && reject(new Error(`the load ended with ${code}`)));
  });
}
