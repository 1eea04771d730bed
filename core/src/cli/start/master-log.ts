import { mkdir, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { BelfryError, messageOf } from "../../errors/belfry-error.ts";
import { faults } from "../../errors/catalogue.ts";
import type { Logger } from "../../interfaces/logger.ts";
import { oneLine } from "../plain-text.ts";

export const LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof LEVELS)[number];

const WARN = 40;
const ERROR = 50;
const MOST_WAITING = 8 * 1024 * 1024;
/** A log of this size becomes `master.log.1`, and so on; so many old ones are kept. */
const ROTATION = { bytes: 20_000_000, kept: 5 };

export interface MasterLog {
  readonly logger: Logger;
  readonly file: string;
  /** Resolves when everything is in the file. */
  close(): Promise<void>;
}

/**
 * Opens the master's log, `master.log`, in the master's folder, which is made if needed. `onWarning` is told of
 * warnings and errors too, each as one line.
 */
export async function openMasterLog(
  folder: string,
  level: LogLevel,
  onWarning: (line: string, isError: boolean) => void,
  { rotation = ROTATION, name = "master.log" } = {},
): Promise<MasterLog> {
  const [{ pino, destination: openDestination, stdSerializers }] = await Promise.all([import("pino"), prepare(folder)]);
  const file = join(folder, name);
  const destination = openDestination({ dest: file, sync: false, mode: 0o600, maxLength: MOST_WAITING });
  let broken = false;
  destination.on("error", (error: Error) => {
    if (!broken) onWarning(`${file} cannot be written: ${messageOf(error)}`, true);
    broken = true;
  });
  let size = (await stat(file).catch(() => undefined))?.size ?? 0;
  let rotating: Promise<void> | undefined;
  destination.on("write", (bytes: number) => {
    size += bytes;
    if (size < rotation.bytes || rotating || broken) return;
    size = 0;
    rotating = rotate(file, rotation.kept)
      .then(() => reopened(destination))
      .catch((error) => onWarning(`${file} cannot be put aside: ${messageOf(error)}`, true))
      .finally(() => {
        rotating = undefined;
      });
  });
  const logger = pino(
    {
      level,
      base: { pid: process.pid },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: stdSerializers.err, error: asIs },
      hooks: {
        logMethod(args, method, severity) {
          if (severity >= WARN) onWarning(warningLine(args), severity >= ERROR);
          method.apply(this, args);
        },
      },
    },
    destination,
  );
  const close = async () => {
    await rotating;
    await new Promise<void>((resolve) => {
      destination.once("close", resolve);
      destination.once("error", () => resolve());
      destination.end();
    });
  };
  return { logger: logger as unknown as Logger, file, close };
}

/** Makes room: `master.log` becomes `master.log.1`, that one `master.log.2`, and the oldest goes. */
async function rotate(file: string, kept: number): Promise<void> {
  for (let i = kept - 1; i >= 0; i -= 1) {
    const from = i === 0 ? file : `${file}.${i}`;
    await rename(from, `${file}.${i + 1}`).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") throw error;
    });
  }
}

/** Resolves when it writes to a new file. */
function reopened(destination: ReturnType<typeof import("pino").destination>): Promise<void> {
  return new Promise((resolve) => {
    destination.once("ready", resolve);
    destination.once("error", () => resolve());
    destination.reopen();
  });
}

function asIs(value: unknown): unknown {
  return value instanceof Error ? stackOf(value) : value;
}

function stackOf(error: Error): unknown {
  return { message: error.message, stack: error.stack };
}

async function prepare(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    // What a master keeps has no place in the history of the repository around it.
    await writeFile(join(folder, ".gitignore"), "*\n", { flag: "wx" }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
  } catch (error) {
    throw faults.stateFolder(folder, error);
  }
}

/** Message and what it is about, from the arguments of a logging call. */
function warningLine(args: readonly unknown[]): string {
  const [fields, message] =
    typeof args[0] === "string" ? [{}, args[0]] : [(args[0] ?? {}) as Record<string, unknown>, args[1]];
  const about = ["loop", "worker", "source", "builder", "build", "plugin"]
    .filter((key) => typeof fields[key] === "string" || typeof fields[key] === "number")
    .map((key) => `${key} ${fields[key]}`)
    .join(", ");
  const error = fields["err"] ?? fields["error"];
  const reason =
    error === undefined ? "" : `: ${BelfryError.is(error) ? `${error.what} ${error.why}` : messageOf(error)}`;
  return oneLine(`${about === "" ? "" : `${about}: `}${String(message ?? "")}${reason}`, 500);
}
