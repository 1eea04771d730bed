import { randomBytes } from "node:crypto";
import { open, readFile, rename, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import type { Client } from "./client.ts";
import { clientFaults } from "./errors.ts";

/** Where the place of a listener is kept. */
export interface CursorStore {
  /** `null` if there is none yet. */
  load(signal?: AbortSignal): Promise<string | null>;
  /** Resolves once it is kept for good. */
  save(position: string): Promise<void>;
}

/** At the master, under a name; needs a token. */
export function cursorAtMaster(client: Client, listener: string): CursorStore {
  return {
    async load(signal) {
      const { position } = (await client.call("listeners.cursor", { listener }, { signal })) as {
        position: string | null;
      };
      return position;
    },
    async save(position) {
      await client.call("listeners.acknowledge", { listener, position });
    },
  };
}

/** In a file, which is replaced as a whole: after a power cut there is the old place or the new one. */
export function cursorInFile(path: string): CursorStore {
  const file = resolve(path);
  return {
    async load() {
      let text: string;
      try {
        text = await readFile(file, "utf8");
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
        throw clientFaults.cursorFile(file, error);
      }
      const position = positionIn(text);
      if (position === undefined) throw clientFaults.cursorFileBroken(file);
      return position;
    },
    async save(position) {
      const temporary = join(dirname(file), `.${basename(file)}.${randomBytes(6).toString("hex")}`);
      try {
        await write(temporary, `${JSON.stringify({ version: 1, position })}\n`);
        await rename(temporary, file);
        await sync(dirname(file));
      } catch (error) {
        await rm(temporary, { force: true }).catch(() => undefined);
        throw clientFaults.cursorFile(file, error);
      }
    },
  };
}

function positionIn(text: string): string | undefined {
  try {
    const { version, position } = JSON.parse(text);
    return version === 1 && typeof position === "string" ? position : undefined;
  } catch {
    return undefined;
  }
}

async function write(path: string, text: string): Promise<void> {
  await using file = await open(path, "wx", 0o600);
  await file.writeFile(text);
  await file.sync();
}

/** Makes a rename last. Not every system can. */
async function sync(folder: string): Promise<void> {
  try {
    await using handle = await open(folder, "r");
    await handle.sync();
  } catch (error) {
    if (process.platform !== "win32") throw error;
  }
}
