// A thousand WebSockets in a process of their own. Tells its parent when all are subscribed, and at the end how many
// events each got and how long after their commit.
import WebSocket from "ws";

const { url, subscribers, events } = JSON.parse(process.argv[2] ?? "{}") as {
  url: string;
  subscribers: number;
  events: number;
};

/** How many events came so many milliseconds after their commit, by the one clock of this machine. */
const after = new Uint32Array(60_000);
const seen = new Uint32Array(subscribers);
let missing = subscribers;
let disorder = 0;

const sockets = await Promise.all(
  Array.from({ length: subscribers }, async (_, i) => {
    await new Promise((resolve) => setTimeout(resolve, i));
    const socket = new WebSocket(url, { perMessageDeflate: false });
    let last = 0;
    await new Promise<void>((resolve, reject) => {
      socket.on("error", reject);
      socket.on("open", () =>
        socket.send(
          JSON.stringify({ jsonrpc: "2.0", id: 1, method: "events.subscribe", params: { types: ["change."] } }),
        ),
      );
      socket.on("message", (data) => {
        const { id, error, params } = JSON.parse(String(data));
        if (error) reject(new Error(JSON.stringify(error)));
        if (id === 1) resolve();
        const now = Date.now();
        for (const event of params?.events ?? []) {
          const delay = Math.max(0, now - event.time);
          after[Math.min(delay, after.length - 1)] = (after[Math.min(delay, after.length - 1)] as number) + 1;
          seen[i] = (seen[i] as number) + 1;
          if (Number(event.position) <= last) disorder += 1;
          last = Number(event.position);
        }
        if (seen[i] === events && id !== 1) {
          seen[i] = events + 1;
          missing -= 1;
          if (missing === 0) finish();
        }
      });
    });
    return socket;
  }),
);
process.send?.({ subscribed: sockets.length });
process.on("message", () => finish());

function finish(): void {
  const total = after.reduce((sum, count) => sum + count, 0);
  const at = (share: number) => {
    let sum = 0;
    return after.findIndex((count) => (sum += count) >= total * share);
  };
  process.send?.({ complete: subscribers - missing, told: total, disorder, p50: at(0.5), p99: at(0.99) }, () =>
    process.exit(),
  );
}
