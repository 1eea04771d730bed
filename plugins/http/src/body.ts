import type { IncomingMessage, ServerResponse } from "node:http";
import { faults } from "./errors.ts";

export interface BodyLimits {
  /** In bytes. */
  limit: number;
  /** In milliseconds, from the first look to the last byte. */
  timeout: number;
}

/** Requests that wait for "100 Continue" before they send their body. */
const waiting = new WeakSet<IncomingMessage>();

/** Remembers that the client wants to be told before it sends the body. */
export function expectsContinue(req: IncomingMessage): void {
  waiting.add(req);
}

/** Reads the body of a request whole, and never more of it than the limit. */
export function readBody(req: IncomingMessage, res: ServerResponse, { limit, timeout }: BodyLimits): Promise<Buffer> {
  const encoding = req.headers["content-encoding"];
  if (encoding !== undefined && encoding.toLowerCase() !== "identity") return Promise.reject(faults.bodyEncoded());
  if (Number(req.headers["content-length"] ?? 0) > limit) return Promise.reject(faults.bodyTooLarge(limit));
  if (req.errored || (req.destroyed && !req.readableEnded)) return Promise.reject(faults.bodyBroken());
  if (waiting.delete(req)) res.writeContinue();

  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const end = (error: Error | undefined) => {
      clearTimeout(timer);
      req.off("data", onData);
      req.off("end", onEnd);
      req.off("close", onClose);
      req.off("error", onClose);
      if (error === undefined)
        return resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, size));
      // A late error of the socket must find a listener.
      req.on("error", () => {});
      reject(error);
    };
    const onData = (chunk: Buffer) => {
      size += chunk.length;
      if (size > limit) return end(faults.bodyTooLarge(limit));
      chunks.push(chunk);
    };
    const onEnd = () => end(undefined);
    const onClose = () => end(faults.bodyBroken());
    const timer = setTimeout(() => end(faults.bodySlow(timeout)), timeout);
    req.on("data", onData);
    req.on("end", onEnd);
    req.on("close", onClose);
    req.on("error", onClose);
  });
}

const LINGER_TIME = 2_000;
const LINGER_BYTES = 16 * 1_048_576;

/**
 * Reads and forgets what is left of a body, so that the client, still sending, gets to read the
 * answer; a connection closed under it would lose the answer too. After a while it is closed all
 * the same.
 */
export function discardBody(req: IncomingMessage): void {
  if (req.complete || req.destroyed) return;
  let size = 0;
  const timer = setTimeout(() => req.socket.destroy(), LINGER_TIME);
  timer.unref();
  req.on("error", () => {});
  req.on("data", (chunk: Buffer) => {
    size += chunk.length;
    if (size > LINGER_BYTES) req.socket.destroy();
  });
  const done = () => clearTimeout(timer);
  req.once("end", done);
  req.once("close", done);
  req.resume();
}
