import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LogChannel, LogLine, LogReader, LogStore } from "../../../core/src/interfaces/log-store.ts";
import { createFileLogStore, type FileLogStoreOptions } from "../../../core/src/logs/file-log-store.ts";

export const CAP = 200_000_000;

/** A store in a folder of its own. Disposing of it stops the store and removes the folder. */
export interface LogWorld extends AsyncDisposable {
  folder: string;
  store: LogStore;
  /** One more store on the same folder, as another process would have it. */
  other(): LogStore;
}

export async function logWorld(options: Partial<FileLogStoreOptions> = {}): Promise<LogWorld> {
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), "belfry-logs-")));
  const stores: LogStore[] = [];
  const other = () => {
    const store = createFileLogStore({ folder, publishAfter: 20, ...options });
    stores.push(store);
    return store;
  };
  return {
    folder,
    store: other(),
    other,
    async [Symbol.asyncDispose]() {
      for (const store of stores) await store.stop?.();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export type PlainLine = [channel: LogChannel, time: number, text: string];

/** Lines as one can compare them: bytes as latin1. */
export function plain(lines: readonly LogLine[]): PlainLine[] {
  return lines.map(({ channel, time, data }) => [channel, time, Buffer.from(data).toString("latin1")]);
}

export function texts(lines: readonly LogLine[]): string[] {
  return lines.map(({ data }) => Buffer.from(data).toString());
}

export async function readAll(store: LogStore, key: string): Promise<LogLine[]> {
  await using reader = await store.open(key);
  return reader.lines(0, 1_000_000_000);
}

export async function rawText(reader: LogReader, encoding: BufferEncoding = "latin1"): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of reader.raw()) pieces.push(piece);
  return Buffer.concat(pieces).toString(encoding);
}

/** All that a follower gets until the log is finished; it is stopped after 20 seconds, so that nothing hangs. */
export async function followAll(reader: LogReader, first = 0): Promise<LogLine[]> {
  const lines: LogLine[] = [];
  const limit = AbortSignal.timeout(20_000);
  for await (const batch of reader.follow(first, limit)) lines.push(...batch);
  if (limit.aborted) throw new Error("The follower was not told that the log is finished.");
  return lines;
}

export async function codeOfRejection(promise: Promise<unknown> | undefined): Promise<string> {
  try {
    await promise;
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
  return "nothing was thrown";
}

export async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

/** Waits until the check gives something, at most 20 seconds. */
export async function eventually<T>(check: () => Promise<T | undefined | false>): Promise<T> {
  for (let tries = 0; tries < 1_000; tries += 1) {
    const found = await check();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error("It did not happen within 20 seconds.");
}
