import { crc32, deflateSync, inflateSync } from "node:zlib";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { smallPng } from "./small-png.ts";

const test = suite("small pictures");

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, sum]);
}

/** A picture as browsers write it, of lines that each begin with their filter. */
function png(width: number, lines: number[][], colourType = 2): Buffer {
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(lines.length, 4);
  head.set([8, colourType, 0, 0, 0], 8);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([
    signature,
    chunk("IHDR", head),
    chunk("IDAT", deflateSync(Buffer.from(lines.flat()))),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

function points(small: Buffer): { colours: number; lines: string[][] } {
  const chunks = new Map<string, Buffer>();
  for (let at = 8; at < small.length; ) {
    const length = small.readUInt32BE(at);
    chunks.set(small.toString("latin1", at + 4, at + 8), small.subarray(at + 8, at + 8 + length));
    assert.is(small.readUInt32BE(at + 8 + length), crc32(small.subarray(at + 4, at + 8 + length)));
    at += length + 12;
  }
  const head = chunks.get("IHDR") as Buffer;
  const palette = chunks.get("PLTE") as Buffer;
  const raw = inflateSync(chunks.get("IDAT") as Buffer);
  const width = head.readUInt32BE(0);
  const lines = Array.from({ length: head.readUInt32BE(4) }, (_, y) =>
    Array.from({ length: width }, (_, x) => {
      const at = (raw[y * (width + 1) + 1 + x] ?? 0) * 3;
      return palette.toString("hex", at, at + 3);
    }),
  );
  return { colours: palette.length / 3, lines };
}

test("each filter of a picture is read, and few colours stay what they are", () => {
  const lines = [
    [0, 255, 0, 0, 0, 255, 0],
    [1, 10, 20, 30, 1, 1, 1],
    [2, 1, 1, 1, 0, 0, 0],
    [3, 1, 1, 1, 0, 0, 0],
    [4, 0, 0, 0, 5, 5, 5],
  ];
  assert.equal(points(smallPng(png(2, lines))).lines, [
    ["ff0000", "00ff00"],
    ["0a141e", "0b151f"],
    ["0b151f", "0b151f"],
    ["060b10", "081017"],
    ["060b10", "0d151c"],
  ]);
  const clear = [[0, 1, 2, 3, 255, 4, 5, 6, 255]];
  assert.equal(points(smallPng(png(2, clear, 6))).lines, [["010203", "040506"]]);
});

test("of many colours 256 are left, and a rare one that is far from all others is among them", () => {
  const line = [0];
  for (let i = 0; i < 2_000; i++) line.push(i % 256, (i * 7) % 64, i % 3);
  line.push(255, 255, 255);
  const small = smallPng(png(2_001, [line]));
  const { colours, lines } = points(small);
  assert.is(colours, 256);
  assert.is(lines[0]?.at(-1), "ffffff");
  assert.ok(small.equals(smallPng(png(2_001, [line]))));
});

test("what is no such picture is refused", () => {
  assert.throws(() => smallPng(Buffer.from("no picture")), /no picture as a browser takes it/);
});

test.run();
