import { Agent, request } from "node:http";

const [url = "", seconds = "1"] = process.argv.slice(2);
const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "builds.list", params: { limit: 50 } });
const agent = new Agent({ keepAlive: true, maxSockets: 8 });
const options = {
  agent,
  method: "POST",
  headers: { "content-type": "application/json", "content-length": Buffer.byteLength(body) },
};

const once = () =>
  new Promise<void>((resolve, reject) => {
    const sent = request(url, options, (answer) => {
      let size = 0;
      answer.on("data", (data) => {
        size += data.length;
      });
      answer.on("end", () =>
        answer.statusCode === 200 && size > 5_000
          ? resolve()
          : reject(new Error(`status ${answer.statusCode}, ${size} bytes`)),
      );
    });
    sent.on("error", reject);
    sent.end(body);
  });

const end = performance.now() + Number(seconds) * 1_000;
let count = 0;
await Promise.all(
  Array.from({ length: 8 }, async () => {
    while (performance.now() < end) {
      await once();
      count += 1;
    }
  }),
);
process.send?.(count / Number(seconds));
agent.destroy();
process.disconnect?.();
