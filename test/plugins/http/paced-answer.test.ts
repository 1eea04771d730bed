import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { connect } from "node:net";
import { PacedAnswer } from "@belfry/http";
import { until } from "@belfry/testkit";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("an answer that goes on");

test("who does not read makes it full; it goes on when he has read", async () => {
  let ready = 0;
  let answer: PacedAnswer | undefined;
  const server = createServer((_, res) => {
    answer = new PacedAnswer(res, () => {
      ready += 1;
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  try {
    socket.pause();
    socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    await until(() => answer !== undefined, "the request");
    const paced = answer as unknown as PacedAnswer;
    assert.is(paced.write("few"), true);
    let sent = 0;
    while (paced.write("x".repeat(65_536)) && sent < 1_000) sent += 1;
    assert.ok(paced.full, "more than the network takes was written");
    assert.is(ready, 0);
    socket.resume();
    await until(() => ready > 0, "the reader");
    assert.is(ready, 1);
    assert.not.ok(paced.full);
    paced.end();
    paced.end();
    assert.is(paced.write("late"), false);
  } finally {
    socket.destroy();
    server.closeAllConnections();
    server.close();
  }
});

test.run();
