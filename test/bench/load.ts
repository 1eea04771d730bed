// A client in a process of its own, so that its work is not the server's: calls one method over and over, with some
// connections that are kept. Sends the calls it made a second.
import { Agent, request } from "node:http";
import type { Load } from "./under-load.ts";

const { url, method, params, width, seconds, count, token, expect } = JSON.parse(process.argv[2] ?? "{}") as Load;
const agent = new Agent({ keepAlive: true, maxSockets: width });
const fixed = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
const counts = fixed.includes("$i");

const once = (i: number) =>
  new Promise<void>((resolve, reject) => {
    const body = counts ? fixed.replaceAll("$i", String(i)) : fixed;
    const headers = {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(body),
      ...(token ? { authorization: `Bearer ${token}` } : {}),
    };
    const sent = request(url, { agent, method: "POST", headers }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on("data", (chunk) => chunks.push(chunk));
      answer.on("end", () => {
        const whole = Buffer.concat(chunks);
        if (answer.statusCode === 200 && whole.includes(expect)) resolve();
        else reject(new Error(`status ${answer.statusCode}: ${whole.subarray(0, 300)}`));
      });
    });
    sent.on("error", reject);
    sent.end(body);
  });

const begun = performance.now();
const end = seconds === undefined ? Number.POSITIVE_INFINITY : begun + seconds * 1_000;
let made = 0;
await Promise.all(
  Array.from({ length: width }, async () => {
    while (performance.now() < end && made < (count ?? Number.POSITIVE_INFINITY)) {
      made += 1;
      await once(made);
    }
  }),
);
process.send?.((made / (performance.now() - begun)) * 1_000);
agent.destroy();
process.disconnect?.();
