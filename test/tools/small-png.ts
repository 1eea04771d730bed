import { crc32, deflateSync, inflateSync } from "node:zlib";

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const COLOURS = 256;

interface Picture {
  width: number;
  height: number;
  /** Red, green and blue of each point, from the left top on. */
  points: Buffer;
}

/**
 * A picture with at most 256 colours, which for pages is about a third of the size: those that would be missed most
 * stay as they are, each other one becomes the nearest of them. The same picture gives the same bytes.
 */
export function smallPng(png: Buffer): Buffer {
  const { width, height, points } = decode(png);
  const seen = new Map<number, number>();
  for (let at = 0; at < points.length; at += 3) {
    const colour = points.readUIntBE(at, 3);
    seen.set(colour, (seen.get(colour) ?? 0) + 1);
  }
  const { palette, index } = choose(seen);
  const lines = Buffer.alloc((width + 1) * height);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      lines[y * (width + 1) + 1 + x] = index.get(points.readUIntBE((y * width + x) * 3, 3)) ?? 0;
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 3, 0, 0, 0], 8);
  const colours = Buffer.concat(
    palette.map((colour) => Buffer.from([colour >> 16, (colour >> 8) & 255, colour & 255])),
  );
  return Buffer.concat([
    SIGNATURE,
    chunk("IHDR", head),
    chunk("PLTE", colours),
    chunk("IDAT", deflateSync(lines, { level: 9 })),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

/** Takes one colour after the other: the one by which most is lost so far, for how often it is there and how far it is from the others. */
function choose(seen: ReadonlyMap<number, number>): { palette: number[]; index: Map<number, number> } {
  const colours = [...seen].sort((a, b) => b[1] - a[1] || a[0] - b[0]);
  const far = colours.map(() => Number.POSITIVE_INFINITY);
  const palette: number[] = [];
  const index = new Map<number, number>();
  for (let next = 0; palette.length < COLOURS && (far[next] ?? 0) > 0; ) {
    const taken = colours[next]?.[0] ?? 0;
    palette.push(taken);
    let most = 0;
    for (const [i, [colour, count]] of colours.entries()) {
      const distance = distanceOf(colour, taken);
      if (distance < (far[i] ?? 0)) {
        far[i] = distance;
        index.set(colour, palette.length - 1);
      }
      const loss = (far[i] ?? 0) * count;
      if (loss <= most) continue;
      most = loss;
      next = i;
    }
    if (most === 0) break;
  }
  return { palette, index };
}

function distanceOf(one: number, other: number): number {
  return (
    ((one >> 16) - (other >> 16)) ** 2 +
    (((one >> 8) & 255) - ((other >> 8) & 255)) ** 2 +
    ((one & 255) - (other & 255)) ** 2
  );
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const whole = Buffer.alloc(body.length + 8);
  whole.writeUInt32BE(data.length, 0);
  body.copy(whole, 4);
  whole.writeUInt32BE(crc32(body), body.length + 4);
  return whole;
}

/** Reads what a browser's screenshot is: eight bits a colour, with or without opacity, not interlaced. */
function decode(png: Buffer): Picture {
  const strange = new Error("this is no picture as a browser takes it");
  if (!png.subarray(0, SIGNATURE.length).equals(SIGNATURE)) throw strange;
  const data: Buffer[] = [];
  let head: Buffer | undefined;
  for (let at = SIGNATURE.length; at < png.length; ) {
    const length = png.readUInt32BE(at);
    const type = png.toString("latin1", at + 4, at + 8);
    const body = png.subarray(at + 8, at + 8 + length);
    if (type === "IHDR") head = body;
    if (type === "IDAT") data.push(body);
    at += length + 12;
  }
  const channels = head?.[9] === 6 ? 4 : 3;
  if (head === undefined || head[8] !== 8 || (head[9] !== 2 && head[9] !== 6) || head[12] !== 0) throw strange;
  const [width, height] = [head.readUInt32BE(0), head.readUInt32BE(4)];
  const raw = inflateSync(Buffer.concat(data));
  const stride = width * channels;
  const points = Buffer.alloc(width * height * 3);
  let above: Uint8Array = new Uint8Array(stride);
  for (let y = 0; y < height; y++) {
    const line = raw.subarray(y * (stride + 1) + 1, (y + 1) * (stride + 1));
    unfilter(raw[y * (stride + 1)] ?? 0, line, above, channels);
    for (let x = 0; x < width; x++) line.copy(points, (y * width + x) * 3, x * channels, x * channels + 3);
    above = line;
  }
  return { width, height, points };
}

function unfilter(filter: number, line: Uint8Array, above: Uint8Array, channels: number): void {
  for (let i = 0; i < line.length; i++) {
    const left = line[i - channels] ?? 0;
    const up = above[i] ?? 0;
    const corner = i < channels ? 0 : (above[i - channels] ?? 0);
    const guess = [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter] ?? 0;
    line[i] = (line[i] ?? 0) + guess;
  }
}

function paeth(left: number, up: number, corner: number): number {
  const base = left + up - corner;
  const [a, b, c] = [Math.abs(base - left), Math.abs(base - up), Math.abs(base - corner)];
  return a <= b && a <= c ? left : b <= c ? up : corner;
}
