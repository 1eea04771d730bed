import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import * as fs from "node:fs/promises";
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import type { FileStat } from "belfry";

const READ_LIMIT = 16 * 1024 * 1024;

/** The file calls of a session, in one folder. Errors carry Node's codes. */
export class Files {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async stat(path: string): Promise<FileStat> {
    const found = await fs.lstat(this.#at(path));
    const type = typeOf(found);
    const executable = type !== "folder" && (found.mode & 0o111) !== 0;
    return { type, size: found.size, modified: found.mtimeMs, executable };
  }

  async readFile(path: string, maxBytes = READ_LIMIT): Promise<Uint8Array> {
    // Without O_NONBLOCK a pipe without a writer would hold a thread for ever.
    const file = await fs.open(this.#at(path), constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const { size } = await file.stat();
      if (size > maxBytes) throw tooBig(path, maxBytes);
      const pieces: Buffer[] = [];
      let total = 0;
      for (;;) {
        // Files in /proc tell no size, and any file may grow: read until there is no more.
        const piece = Buffer.allocUnsafeSlow(Math.min(Math.max(size + 1 - total, 64 * 1024), 1024 * 1024));
        const { bytesRead } = await file.read(piece, 0, piece.length);
        if (bytesRead === 0) break;
        total += bytesRead;
        if (total > maxBytes) throw tooBig(path, maxBytes);
        pieces.push(piece.subarray(0, bytesRead));
      }
      return pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces, total);
    } finally {
      await file.close();
    }
  }

  async writeFile(path: string, data: Uint8Array, executable = false): Promise<void> {
    const target = this.#at(path);
    await fs.mkdir(dirname(target), { recursive: true });
    const draft = join(dirname(target), `.belfry-${randomUUID()}`);
    try {
      await fs.writeFile(draft, data, { mode: executable ? 0o777 : 0o666, flag: "wx" });
      await fs.rename(draft, target);
    } catch (error) {
      await fs.rm(draft, { force: true }).catch(() => {});
      throw error;
    }
  }

  async mkdir(path: string): Promise<void> {
    await fs.mkdir(this.#at(path), { recursive: true });
  }

  /** The build's folder itself is emptied, not removed. */
  async remove(path: string): Promise<void> {
    const target = this.#at(path);
    if (target === this.#folder) {
      for (const name of await fs.readdir(target)) await removeAll(join(target, name));
      return;
    }
    await this.#mayRemove(path, target);
    await removeAll(target);
  }

  async copy(from: string, to: string): Promise<void> {
    const source = this.#at(from);
    const target = this.#at(to);
    await fs.mkdir(dirname(target), { recursive: true });
    await fs.cp(source, target, {
      recursive: true,
      force: true,
      verbatimSymlinks: true,
      mode: constants.COPYFILE_FICLONE,
    });
  }

  async list(path: string): Promise<{ name: string; type: FileStat["type"] }[]> {
    const entries = await fs.readdir(this.#at(path), { withFileTypes: true });
    return entries
      .map((entry) => ({ name: entry.name, type: typeOf(entry) }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  #at(path: string): string {
    return resolve(this.#folder, path);
  }

  /** A relative path may not leave the folder, and a path into the folder may not leave it through a link. */
  async #mayRemove(path: string, target: string): Promise<void> {
    if (!inside(this.#folder, target)) {
      if (isAbsolute(path) && !inside(target, this.#folder)) return;
      throw refused(path, "it leads out of the build's folder");
    }
    const parent = await fs.realpath(dirname(target)).catch(() => undefined);
    if (parent === undefined) return;
    const folder = await fs.realpath(this.#folder);
    if (parent !== folder && !inside(folder, parent))
      throw refused(path, "a link in it leads out of the build's folder");
  }
}

function inside(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== "" && way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

async function removeAll(path: string): Promise<void> {
  const rm = () => fs.rm(path, { recursive: true, force: true, maxRetries: 2 });
  try {
    await rm();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "EACCES" && code !== "EPERM") throw error;
    // Caches like Go's are folders without the right to write.
    await openUp(path);
    await rm();
  }
}

async function openUp(path: string): Promise<void> {
  if (!(await fs.lstat(path)).isDirectory()) return;
  await fs.chmod(path, 0o700);
  for (const entry of await fs.readdir(path, { withFileTypes: true }))
    if (entry.isDirectory()) await openUp(join(path, entry.name));
}

function typeOf(found: { isFile(): boolean; isDirectory(): boolean; isSymbolicLink(): boolean }): FileStat["type"] {
  if (found.isFile()) return "file";
  if (found.isDirectory()) return "folder";
  return found.isSymbolicLink() ? "link" : "other";
}

function tooBig(path: string, maxBytes: number): Error {
  return Object.assign(new Error(`EFBIG: ${basename(path)} is larger than ${maxBytes} bytes`), { code: "EFBIG", path });
}

function refused(path: string, why: string): Error {
  return Object.assign(new Error(`EACCES: ${path} is not removed: ${why}`), { code: "EACCES", path });
}
