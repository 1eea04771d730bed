import { createHash } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { until } from "@belfry/testkit";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { textFrame } from "../../../compat/jsonrpc/src/text-frame.ts";

const test = suite("frames of text");

test("Node's own WebSocket reads texts of every length as they were", async () => {
  const texts = [0, 1, 125, 126, 127, 65_535, 65_536, 200_000].map((length) => "x".repeat(length));
  texts.push("naïve ☃ 🎉", "é".repeat(63), "☃".repeat(21_845), "☃".repeat(21_846));
  const server = createServer();
  const upgraded: Duplex[] = [];
  server.on("upgrade", (req, socket) => {
    upgraded.push(socket);
    socket.on("error", () => undefined);
    const accept = createHash("sha1").update(`${req.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`);
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept.digest("base64")}\r\n\r\n`,
    );
    for (const text of texts) socket.write(textFrame(text));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const socket = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const read: string[] = [];
  socket.addEventListener("message", ({ data }) => read.push(data));
  try {
    await until(() => read.length === texts.length, "the texts");
    assert.equal(
      read.map((text, i) => [text.length, text === texts[i]]),
      texts.map((text) => [text.length, true]),
    );
  } finally {
    for (const one of upgraded) one.destroy();
    server.close();
  }
});

test.run();
