import fs from "node:fs";

// Descriptors and callbacks: a FileHandle costs several times as much, and logs are many and small.

export function openFile(path: string, flags: string): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.open(path, flags, 0o644, (error, fd) => (error ? reject(error) : resolve(fd)));
  });
}

/** Closes and never fails: whoever needs the bytes on the disk has synced before. */
export function closeFile(fd: number): Promise<void> {
  return new Promise((resolve) => {
    fs.close(fd, () => resolve());
  });
}

export function statFile(fd: number): Promise<fs.Stats> {
  return new Promise((resolve, reject) => {
    fs.fstat(fd, (error, stats) => (error ? reject(error) : resolve(stats)));
  });
}

/** Undefined when there is no such file. */
export function statPath(path: string): Promise<fs.Stats | undefined> {
  return new Promise((resolve, reject) => {
    fs.stat(path, (error, stats) => {
      if (error && error.code !== "ENOENT" && error.code !== "ENOTDIR") reject(error);
      else resolve(error ? undefined : stats);
    });
  });
}

/** Reads until `length` bytes are there or the file ends; into `buffer`, if it is given. */
export async function readAt(
  fd: number,
  position: number,
  length: number,
  buffer: Buffer = Buffer.allocUnsafe(length),
): Promise<Buffer> {
  let done = 0;
  while (done < length) {
    const at = done;
    const count = await new Promise<number>((resolve, reject) => {
      fs.read(fd, buffer, at, length - at, position + at, (error, bytes) => (error ? reject(error) : resolve(bytes)));
    });
    if (count === 0) break;
    done += count;
  }
  return done === buffer.length ? buffer : buffer.subarray(0, done);
}

const SMALL = 16 * 1024;

/** Writes all of it at `position`, however often the system takes only a part. */
export async function writeAllAt(fd: number, parts: Buffer[], position: number, total: number): Promise<void> {
  let rest = parts;
  if (total <= SMALL && rest.length > 1) rest = [Buffer.concat(rest, total)];
  let done = 0;
  while (done < total) {
    const at = position + done;
    let count = await new Promise<number>((resolve, reject) => {
      const answer = (error: Error | null, bytes: number) => (error ? reject(error) : resolve(bytes));
      if (rest.length === 1) fs.write(fd, rest[0] as Buffer, 0, (rest[0] as Buffer).length, at, answer);
      else fs.writev(fd, rest, at, answer);
    });
    done += count;
    if (done === total) return;
    rest = [...rest];
    while (rest.length > 0 && count >= (rest[0] as Buffer).length) count -= (rest.shift() as Buffer).length;
    if (count > 0) rest[0] = (rest[0] as Buffer).subarray(count);
  }
}

export function truncateFile(fd: number, length: number): Promise<void> {
  return new Promise((resolve, reject) => {
    fs.ftruncate(fd, length, (error) => (error ? reject(error) : resolve()));
  });
}

export function syncFile(fd: number): Promise<void> {
  return new Promise((resolve, reject) => {
    fs.fdatasync(fd, (error) => (error ? reject(error) : resolve()));
  });
}
