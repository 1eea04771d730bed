import { spawn } from "node:child_process";
import { connect, type Socket } from "node:net";
import { fileURLToPath } from "node:url";
import type { FromSpawner, ToSpawner, Waiting } from "./protocol.ts";

const SPAWNER = fileURLToPath(new URL("./spawner/main.js", import.meta.url));

/** A spawner as its master sees it: a process, and a socket to talk to it. */
export interface SpawnerLink {
  readonly pid: number | undefined;
  /** Resolves when the process has ended, or cannot be reached any more, with the error if there is one. */
  readonly gone: Promise<Error | undefined>;
  say(message: ToSpawner): void;
  /** Tells it to end everything and then itself, by hanging up. */
  end(): void;
  /** SIGKILL. */
  kill(): void;
  /** Forgets it; whether it lives on does not matter to this process any more. */
  letGo(): void;
}

/** Starts a spawner. */
export function startSpawner(hear: (message: FromSpawner) => void): SpawnerLink {
  // Neither NODE_OPTIONS nor anything else of the master's environment may slow it down.
  const flags = ["--single-threaded", "--max-old-space-size=128", SPAWNER];
  const child = spawn(process.execPath, flags, {
    cwd: "/",
    env: { PATH: process.env.PATH },
    detached: true,
    stdio: ["ignore", "inherit", "inherit", "pipe"],
  });
  const channel = child.stdio[3] as Socket;
  const gone = new Promise<Error | undefined>((resolve) => {
    child.once("error", resolve);
    child.once("exit", () => resolve(undefined));
  });
  const letGo = () => {
    channel.destroy();
    child.unref();
  };
  return { pid: child.pid, gone, ...talk(channel, hear), kill: () => void child.kill("SIGKILL"), letGo };
}

/** Connects to a spawner that waits for its next master. */
export function joinSpawner({ pid, socket }: Waiting, hear: (message: FromSpawner) => void): SpawnerLink {
  const channel = connect(socket);
  let failure: Error | undefined;
  channel.once("error", (error) => {
    failure = error;
  });
  const gone = new Promise<Error | undefined>((resolve) => {
    channel.once("close", () => resolve(failure));
  });
  const kill = () => {
    try {
      // Its end of the socket is open, so the number is its own.
      if (!channel.destroyed && !channel.connecting) process.kill(pid, "SIGKILL");
    } catch {
      // It has ended at this moment.
    }
  };
  return { pid, gone, ...talk(channel, hear), kill, letGo: () => void channel.destroy() };
}

function talk(channel: Socket, hear: (message: FromSpawner) => void): Pick<SpawnerLink, "say" | "end"> {
  channel.setEncoding("utf8");
  channel.on("error", () => {});
  let rest = "";
  channel.on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) hear(JSON.parse(line) as FromSpawner);
  });
  return {
    say(message) {
      if (channel.writable) channel.write(`${JSON.stringify(message)}\n`);
    },
    end: () => void channel.end(),
  };
}
