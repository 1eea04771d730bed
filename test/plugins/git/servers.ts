import { type ChildProcess, spawn } from "node:child_process";
import { chmod, readdir, readFile, writeFile } from "node:fs/promises";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, connect, createServer, type Server } from "node:net";
import { join } from "node:path";
import { git, type World } from "./world.ts";

export interface Served extends AsyncDisposable {
  port: number;
}

async function listening(server: Server): Promise<number> {
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return (server.address() as AddressInfo).port;
}

/** `git daemon` on a free port, for every repository below `folder`. */
export async function gitDaemon(folder: string): Promise<Served> {
  const finder = createServer();
  const port = await listening(finder);
  await new Promise((done) => finder.close(done));
  const args = [
    "daemon",
    "--reuseaddr",
    "--export-all",
    "--informative-errors",
    `--base-path=${folder}`,
    "--listen=127.0.0.1",
    `--port=${port}`,
    folder,
  ];
  const child = spawn("git", args, { stdio: "ignore", detached: true });
  await reachable(port, child);
  return { port, [Symbol.asyncDispose]: () => ended(child) };
}

async function reachable(port: number, child: ChildProcess): Promise<void> {
  for (let attempt = 0; attempt < 500 && child.exitCode === null; attempt++) {
    const isUp = await new Promise((done) => {
      const socket = connect(port, "127.0.0.1", () => {
        socket.destroy();
        done(true);
      });
      socket.on("error", () => done(false));
    });
    if (isUp) return;
    await new Promise((done) => setTimeout(done, 20));
  }
  throw new Error("git daemon does not listen");
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const exit = new Promise((done) => child.once("exit", done));
  process.kill(-(child.pid ?? 0), "SIGKILL");
  await exit;
}

/** Takes connections, reads, and never answers. */
export async function silentServer(): Promise<Served & { connected: Promise<void> }> {
  const sockets = new Set<import("node:net").Socket>();
  let tell = () => {};
  const connected = new Promise<void>((done) => (tell = done));
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {}).resume();
    tell();
  });
  const port = await listening(server);
  return {
    port,
    connected,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((done) => server.close(done));
    },
  };
}

/** A port where nobody listens. */
export async function closedPort(): Promise<number> {
  const server = createServer();
  const port = await listening(server);
  await new Promise((done) => server.close(done));
  return port;
}

/**
 * `git http-backend` behind a password, for reading and writing. Each request looks for the password
 * among the arguments and in the environment of every process of this machine.
 */
export async function httpServer(
  folder: string,
  login: { user: string; password: string },
): Promise<Served & { seen: string[]; refused: number; status: number }> {
  const backend = `${await git(folder, "--exec-path")}/git-http-backend`;
  const wanted = `Basic ${Buffer.from(`${login.user}:${login.password}`).toString("base64")}`;
  const state = { seen: [] as string[], refused: 0, status: 0 };
  const server = createHttpServer((request, response) => {
    (async () => {
      for (const line of await whatProcessesShow()) if (line.includes(login.password)) state.seen.push(line);
      if (state.status !== 0) return void response.writeHead(state.status).end();
      if (request.headers.authorization !== wanted) {
        state.refused++;
        return void response.writeHead(401, { "www-authenticate": 'Basic realm="git"' }).end();
      }
      const url = new URL(request.url ?? "/", "http://x");
      const child = spawn(backend, {
        env: {
          ...process.env,
          GIT_PROJECT_ROOT: folder,
          GIT_HTTP_EXPORT_ALL: "1",
          GIT_PROTOCOL: String(request.headers["git-protocol"] ?? ""),
          PATH_INFO: decodeURIComponent(url.pathname),
          QUERY_STRING: url.search.slice(1),
          REQUEST_METHOD: request.method,
          CONTENT_TYPE: request.headers["content-type"] ?? "",
          HTTP_CONTENT_ENCODING: String(request.headers["content-encoding"] ?? ""),
          REMOTE_USER: login.user,
        },
      });
      request.pipe(child.stdin.on("error", () => {}));
      const chunks: Buffer[] = [];
      for await (const chunk of child.stdout) chunks.push(chunk);
      const answer = Buffer.concat(chunks);
      const end = answer.indexOf("\r\n\r\n");
      for (const line of answer.subarray(0, end).toString().split("\r\n")) {
        const [name = "", value = ""] = line.split(/: (.*)/);
        if (name === "Status") response.statusCode = Number.parseInt(value, 10);
        else response.setHeader(name, value);
      }
      response.end(answer.subarray(end + 4));
    })().catch(() => response.destroy());
  });
  const port = await listening(server);
  return Object.assign(state, {
    port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  });
}

/** A web server that knows nothing of git and gives out the files below `folder`. */
export async function fileServer(folder: string): Promise<Served> {
  const server = createHttpServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://x");
    readFile(join(folder, decodeURIComponent(pathname))).then(
      (data) => response.end(data),
      () => response.writeHead(404).end(),
    );
  });
  const port = await listening(server);
  return {
    port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

/** A program that is called like ssh, notes how, and runs the command on this machine. */
export async function fakeSsh(world: World): Promise<string> {
  const script = `#!/bin/sh\necho "$@" >> "${world.path("ssh-calls")}"\ncase "$*" in *"-G "*) exit 1;; esac\nfor last; do :; done\nexec sh -c "$last"\n`;
  await writeFile(world.path("fake-ssh"), script);
  await chmod(world.path("fake-ssh"), 0o755);
  return world.path("fake-ssh");
}

async function processFiles(name: "cmdline" | "environ"): Promise<string[]> {
  const pids = (await readdir("/proc").catch(() => [])).filter((entry) => /^\d+$/.test(entry));
  return Promise.all(pids.map((pid) => readFile(`/proc/${pid}/${name}`, "utf8").catch(() => "")));
}

async function whatProcessesShow(): Promise<string[]> {
  return [...(await processFiles("cmdline")), ...(await processFiles("environ"))];
}

/**
 * A program that is called like ssh and looks around before it runs the command on this machine: which
 * key and hosts it was given, with which mode, and whether any process shows the key.
 */
export async function curiousSsh(world: World): Promise<string> {
  const script = `#!/bin/sh
cd "${world.folder}"
for word; do
  case $word in
    -oIdentityFile=*) name=key ;;
    -oUserKnownHostsFile=*) name=hosts ;;
    *) continue ;;
  esac
  file=\${word#*=}
  file=\${file#?}
  file=$(echo "\${file%?}" | sed s/%%/%/g)
  cp "$file" "seen-$name"
  stat -c %a "$file" "$(dirname "$file")" >> seen-modes
done
echo "$@" >> ssh-calls
case "$*" in *"-G "*) exit 1;; esac
if test -e seen-key; then
  sed -n 2p seen-key > pattern
  cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' | grep -F -f pattern >> seen-leaks
fi
for last; do :; done
exec sh -c "$last"
`;
  await writeFile(world.path("curious-ssh"), script);
  await chmod(world.path("curious-ssh"), 0o755);
  return world.path("curious-ssh");
}

/** Processes with this text among their arguments, this one aside. */
export async function processesWith(text: string): Promise<string[]> {
  return (await processFiles("cmdline")).filter((line) => line.includes(text));
}
