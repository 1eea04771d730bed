// A client in a process of its own, so that its work is not the server's: asks the same over and over, with some
// connections that are kept. Sends how many answers came a second, and how long they took.
import { Agent, request } from "node:http";
import type { Figures, Load } from "./under-load.ts";

const load: Load = JSON.parse(process.argv[2] ?? "{}");
const { url, verb, width, seconds, count, status, expect } = load;
const agent = new Agent({ keepAlive: true, maxSockets: width });
const counts = load.body.includes("$i");
const took: number[] = [];

const once = (i: number) =>
  new Promise<void>((resolve, reject) => {
    const begun = performance.now();
    const body = counts ? load.body.replaceAll("$i", String(i)) : load.body;
    const length = verb === "GET" ? {} : { "content-length": Buffer.byteLength(body) };
    const sent = request(
      verb === "GET" ? url.replaceAll("$i", String(i)) : url,
      { agent, method: verb, headers: { ...load.headers, ...length } },
      (answer) => {
        const chunks: Buffer[] = [];
        answer.on("data", (chunk) => chunks.push(chunk));
        answer.on("end", () => {
          const whole = Buffer.concat(chunks);
          took.push(performance.now() - begun);
          if (answer.statusCode === status && whole.includes(expect)) resolve();
          else reject(new Error(`status ${answer.statusCode}: ${whole.subarray(0, 300)}`));
        });
      },
    );
    sent.on("error", reject);
    sent.end(verb === "GET" ? undefined : body);
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
const rate = (made / (performance.now() - begun)) * 1_000;
took.sort((a, b) => a - b);
const at = (share: number) => took[Math.min(took.length - 1, Math.floor(took.length * share))] ?? Number.NaN;
process.send?.({ rate, p50: at(0.5), p99: at(0.99) } satisfies Figures);
agent.destroy();
process.disconnect?.();
