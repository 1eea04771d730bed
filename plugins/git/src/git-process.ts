import { spawn } from "node:child_process";

export interface GitCall {
  args: string[];
  cwd: string;
  /** Added to the master's environment; `null` takes a variable away. */
  env: Record<string, string | null>;
  input?: string;
  signal: AbortSignal;
}

/** Git ended with another code than 0. `stderr` is its raw end; mask it before it is shown. */
export class GitFailure extends Error {
  readonly code: number | null;
  readonly stderr: string;

  constructor(code: number | null, stderr: string) {
    super(`git ended with code ${code}`);
    this.name = "GitFailure";
    this.code = code;
    this.stderr = stderr;
  }
}

const STDERR_BYTES = 16 * 1024;
const KILL_GRACE = 2_000;
/** A process that ssh left behind for the next connection may hold the pipes open for hours. */
const PIPE_GRACE = 500;

/**
 * Runs git on this machine, in a process group of its own, and gives its standard output as it
 * arrives; git waits for a slow reader. Throws `GitFailure`, the error of the start (`ENOENT`: no
 * git), or `signal.reason`. Nothing it started in its group is left when the iteration has ended,
 * whether it ended, threw, or was given up.
 */
export async function* streamGit(call: GitCall): AsyncGenerator<Buffer, void> {
  call.signal.throwIfAborted();
  const child = spawn("git", call.args, {
    cwd: call.cwd,
    env: mergedEnvironment(call.env),
    detached: true,
    stdio: "pipe",
    windowsHide: true,
  });
  let running = true;
  const exited = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", resolve);
  }).finally(() => {
    running = false;
  });
  exited.catch(() => {});
  const stderr = collectEnd(child.stderr, STDERR_BYTES);
  child.stdin.on("error", () => {});
  child.stdin.end(call.input ?? "");

  const kill = (signal: NodeJS.Signals) => {
    if (child.pid === undefined) return;
    try {
      process.kill(-child.pid, signal);
    } catch {
      if (running) child.kill(signal);
    }
  };
  let stopping: Promise<void> | undefined;
  const stop = () => {
    stopping ??= (async () => {
      kill("SIGTERM");
      const killer = setTimeout(kill, KILL_GRACE, "SIGKILL");
      await exited.catch(() => {});
      clearTimeout(killer);
      await groupEnded(child.pid);
      child.stdout.destroy();
      child.stderr.destroy();
    })();
  };
  call.signal.addEventListener("abort", stop, { once: true });
  try {
    let broken: unknown;
    try {
      for await (const chunk of child.stdout) yield chunk as Buffer;
    } catch (error) {
      broken = error;
    }
    const code = await exited;
    call.signal.throwIfAborted();
    const said = await stderr.end(PIPE_GRACE);
    if (code !== 0) throw new GitFailure(code, said);
    if (broken !== undefined) throw broken;
  } finally {
    call.signal.removeEventListener("abort", stop);
    if (running) stop();
    await stopping;
    child.stderr.destroy();
  }
}

/** Runs git and returns its standard output, at most `maxBytes` of it. For the rest see `streamGit`. */
export async function runGit(call: GitCall, maxBytes = 1024 * 1024): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of streamGit(call)) {
    size += chunk.length;
    if (size <= maxBytes) chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** Runs git and gives what lies between two `separator` bytes, each as bytes of at most `maxBytes`. */
export async function* streamFields(
  call: GitCall,
  separator: number,
  maxBytes: number,
): AsyncGenerator<Buffer[], void> {
  let pieces: Buffer[] = [];
  let size = 0;
  const keep = (piece: Buffer) => {
    const room = maxBytes - size;
    if (room > 0 && piece.length > 0) pieces.push(piece.length > room ? piece.subarray(0, room) : piece);
    size += piece.length;
  };
  for await (const chunk of streamGit(call)) {
    const fields: Buffer[] = [];
    let start = 0;
    for (let end = chunk.indexOf(separator); end >= 0; end = chunk.indexOf(separator, start)) {
      keep(chunk.subarray(start, end));
      fields.push(pieces.length === 1 && pieces[0] ? pieces[0] : Buffer.concat(pieces));
      pieces = [];
      size = 0;
      start = end + 1;
    }
    keep(chunk.subarray(start));
    if (fields.length > 0) yield fields;
  }
  if (size > 0) yield [Buffer.concat(pieces)];
}

/** Ends what is left of a process group, and waits until it is gone; zombies that nobody collects would stay. */
async function groupEnded(pid: number | undefined): Promise<void> {
  for (let attempt = 0; pid !== undefined && attempt < 100; attempt++) {
    try {
      process.kill(-pid, "SIGKILL");
    } catch {
      return;
    }
    await new Promise((done) => setTimeout(done, 10));
  }
}

function mergedEnvironment(changes: Record<string, string | null>): NodeJS.ProcessEnv {
  const env = { ...process.env };
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) delete env[name];
    else env[name] = value;
  }
  return env;
}

function collectEnd(stream: NodeJS.ReadableStream, maxBytes: number): { end(grace: number): Promise<string> } {
  let kept = Buffer.alloc(0);
  stream.on("data", (chunk: Buffer) => {
    kept = Buffer.concat([kept, chunk]);
    if (kept.length > maxBytes) kept = Buffer.from(kept.subarray(kept.length - maxBytes));
  });
  stream.on("error", () => {});
  const closed = new Promise<void>((resolve) => {
    stream.once("close", resolve);
    stream.once("end", resolve);
  });
  return {
    async end(grace) {
      let timer: NodeJS.Timeout | undefined;
      await Promise.race([closed, new Promise((resolve) => (timer = setTimeout(resolve, grace)))]);
      clearTimeout(timer);
      return kept.toString("utf8");
    },
  };
}
