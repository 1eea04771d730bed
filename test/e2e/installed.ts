// Belfry as somebody has it who installed it: compiled, packed, and installed in a folder outside the repository.
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
/** npm settings of the machine that an installation needs; what `npm test` itself was called with is left out. */
const KEPT =
  /^npm_config_(registry|cache|userconfig|globalconfig|proxy|https?[-_]proxy|noproxy|ca|cafile|strict[-_]ssl|offline)$/i;

/** The environment of a stranger's shell, with the Node that runs this test first. */
export function strangersEnv(extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(
    ([name]) => !/^(npm_|INIT_CWD$|NODE_OPTIONS$|NODE_V8_COVERAGE$|FORCE_COLOR$)/i.test(name) || KEPT.test(name),
  );
  const path = [dirname(process.execPath), process.env["PATH"] ?? ""].join(delimiter);
  return { ...Object.fromEntries(own), NO_COLOR: "1", PATH: path, ...extra };
}

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
  /** Both, for messages of tests. */
  all: string;
}

export interface RunOptions {
  cwd: string;
  env?: NodeJS.ProcessEnv;
  /** Milliseconds after which it is killed. */
  limit?: number;
}

/** Runs a program to its end; what it left running is ended when its time is over. */
export async function run(command: string, args: readonly string[], options: RunOptions): Promise<Ended> {
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: options.env ?? strangersEnv(),
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  const ended: Ended = { code: null, stdout: "", stderr: "", all: "" };
  for (const stream of ["stdout", "stderr"] as const) {
    child[stream].setEncoding("utf8").on("data", (text: string) => {
      ended[stream] += text;
      ended.all += text;
    });
  }
  const timer = setTimeout(() => {
    ended.all += "\n(killed: it took too long)";
    if (child.pid) process.kill(-child.pid, "SIGKILL");
  }, options.limit ?? 120_000);
  try {
    ended.code = await new Promise<number | null>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", resolve);
    });
    return ended;
  } finally {
    clearTimeout(timer);
  }
}

async function mustRun(command: string, args: readonly string[], options: RunOptions): Promise<Ended> {
  const ended = await run(command, args, options);
  if (ended.code !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${ended.code}:\n${ended.all}`);
  return ended;
}

export interface Packed extends AsyncDisposable {
  /** Path of the tarball of each package, by the package's name. */
  readonly tarballs: ReadonlyMap<string, string>;
  /** What npm says is in them: paths within the package. */
  readonly files: ReadonlyMap<string, readonly string[]>;
}

/** Compiles every package of the repository and packs it as `npm publish` would. */
export async function packAll(): Promise<Packed> {
  const folder = await mkdtemp(join(tmpdir(), "belfry-packed-"));
  try {
    const env = strangersEnv({ PATH: [join(root, "node_modules", ".bin"), strangersEnv()["PATH"]].join(delimiter) });
    await mustRun(process.execPath, ["--conditions=source", "test/tools/build.ts"], { cwd: root, env });
    // The build is done; `prepack` would do it again for each of them.
    const pack = ["pack", "--workspaces", "--ignore-scripts", "--json", "--pack-destination", folder];
    const { stdout } = await mustRun("npm", pack, { cwd: root, env });
    const packed = readPacked(stdout);
    return {
      tarballs: new Map(packed.map(({ name, filename }) => [name, join(folder, filename)])),
      files: new Map(packed.map(({ name, files }) => [name, files.map(({ path }) => path)])),
      [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
    };
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

interface PackedPackage {
  name: string;
  filename: string;
  files: { path: string }[];
}

/** npm 12 gives an object by name, older ones a list, in which a scoped name's tarball may be misspelled. */
function readPacked(json: string): PackedPackage[] {
  const found = Object.values(JSON.parse(json.slice(json.search(/[[{]/))) as Record<string, PackedPackage>);
  return found.map((one) => ({ ...one, filename: one.filename.replace(/^@/, "").replace("/", "-") }));
}

/** Installs tarballs in a folder, as `npm install a.tgz b.tgz` does, without writing a package.json. */
export async function install(folder: string, tarballs: Iterable<string>): Promise<void> {
  await mkdir(folder, { recursive: true });
  const args = ["install", "--no-save", "--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error", ...tarballs];
  await mustRun("npm", args, { cwd: folder });
}
