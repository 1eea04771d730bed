// A crawler in a process of its own: follows every link of every page that it finds, with some connections, as fast as
// it is served, and begins again when there are no more. Sends how many answers it got, by status.
import { Agent, request } from "node:http";

const [start = "", width = "8", seconds = "60"] = process.argv.slice(2);
const { origin } = new URL(start);
const agent = new Agent({ keepAlive: true, maxSockets: Number(width) });
const end = performance.now() + Number(seconds) * 1_000;
const counts: Record<string, number> = {};
let queue: string[] = [];
let seen = new Set<string>();

function note(page: string, at: string): void {
  for (const [, href = ""] of page.matchAll(/<a [^>]*href="([^"]+)"/g)) {
    const url = new URL(href.replaceAll("&amp;", "&"), at);
    url.hash = "";
    if (url.origin !== origin || seen.has(url.href)) continue;
    seen.add(url.href);
    queue.push(url.href);
  }
}

function get(url: string): Promise<void> {
  return new Promise((resolve) => {
    const sent = request(url, { agent }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on("data", (chunk) => chunks.push(chunk));
      answer.on("error", () => resolve());
      answer.on("end", () => {
        counts[answer.statusCode ?? 0] = (counts[answer.statusCode ?? 0] ?? 0) + 1;
        if (answer.statusCode === 429) queue.push(url);
        else note(Buffer.concat(chunks).toString(), url);
        resolve();
      });
    });
    sent.on("error", () => {
      counts.broken = (counts.broken ?? 0) + 1;
      resolve();
    });
    sent.end();
  });
}

await Promise.all(
  Array.from({ length: Number(width) }, async () => {
    while (performance.now() < end) {
      const url = queue.shift();
      if (url === undefined) {
        seen = new Set();
        queue = [];
        await get(start);
      } else await get(url);
    }
  }),
);
process.send?.(counts);
agent.destroy();
process.disconnect?.();
