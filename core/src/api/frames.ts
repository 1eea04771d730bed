import { faults } from "../errors/catalogue.ts";
import type { Json } from "../interfaces/values.ts";

export const MAX_FRAME = 32 * 1024 * 1024;

/** One message on the master's socket: its length in four bytes, big-endian, and JSON in UTF-8. */
export function frame(message: Json): Buffer {
  const body = Buffer.from(JSON.stringify(message));
  const head = Buffer.allocUnsafe(4);
  head.writeUInt32BE(body.length);
  return Buffer.concat([head, body]);
}

/** Cuts what arrives on a socket into messages. `take` throws for a frame that is too large or no JSON. */
export class FrameReader {
  #chunks: Buffer[] = [];
  #size = 0;
  #wanted = -1;

  *take(chunk: Buffer): Generator<Json> {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    for (;;) {
      if (this.#wanted < 0) {
        if (this.#size < 4) return;
        this.#wanted = this.#cut(4).readUInt32BE();
        if (this.#wanted > MAX_FRAME) throw faults.transportTooLarge(MAX_FRAME);
      }
      if (this.#size < this.#wanted) return;
      const body = this.#cut(this.#wanted);
      this.#wanted = -1;
      yield JSON.parse(body.toString("utf8")) as Json;
    }
  }

  #cut(length: number): Buffer {
    const whole = this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks);
    this.#chunks = whole.length > length ? [whole.subarray(length)] : [];
    this.#size -= length;
    return whole.subarray(0, length);
  }
}
