import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";

/** What the client of `load.ts` does: for some seconds, or so many calls. */
export interface Load {
  url: string;
  verb: "GET" | "POST";
  headers: Record<string, string>;
  /** `$i` in it becomes the number of the call. */
  body: string;
  status: number;
  /** Connections, with one call at a time on each. */
  width: number;
  seconds?: number;
  count?: number;
  /** Text that every answer has to hold. */
  expect: string;
}

export interface Figures {
  /** Answers a second. */
  rate: number;
  /** Milliseconds. */
  p50: number;
  p99: number;
}

type Width = Pick<Load, "url" | "width" | "seconds" | "count" | "expect">;

/** Calls of a method over JSON-RPC. */
export function rpcLoad({
  method,
  params,
  token,
  ...load
}: Width & { method: string; params: object; token?: string }) {
  const headers = { "content-type": "application/json", ...(token ? { authorization: `Bearer ${token}` } : {}) };
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
  return underLoad({ ...load, verb: "POST", headers, body, status: 200 });
}

const client = fileURLToPath(new URL("./load.ts", import.meta.url));

/** What a process of its own, which asks over and over, gets. */
export function underLoad(load: Load): Promise<Figures> {
  return new Promise((resolve, reject) => {
    const child = fork(client, [JSON.stringify(load)], {
      execArgv: [],
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    child.once("message", (value) => resolve(value as Figures));
    child.once("error", reject);
    child.once("exit", (code) => code !== 0 && reject(new Error(`the load ended with ${code}`)));
  });
}
