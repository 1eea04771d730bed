/**
 * What a master and its spawner say to each other: one JSON value a line, in both directions, over
 * one socket. Output and input of commands do not pass here; they have pipes of their own.
 */

/** How the main process of a command ended. */
export interface Exit {
  code: number | null;
  signal: string | null;
  /** True if `end` came while the main process was running. */
  ended: boolean;
  /** Processes that could not be ended. */
  left: number;
}

/** A command that is kept for the next process of its master, with what that one has to know. */
export interface KeptCommand {
  /** Its call's id. */
  call: string;
  /** The build it belongs to. */
  owner: string;
  /** As in `run`. */
  mark: string;
  /** The pipes of its output. */
  out: string;
  err: string;
  /** Why it is being ended, if it is. */
  killed: "max-time" | "timeout" | "cancelled" | null;
  /** Known if it has ended and only its output is not taken yet. */
  exit: Exit | null;
  /** Milliseconds since it began, and since it printed something or its output was taken. */
  elapsed: number;
  silent: number;
  /** What was read from its pipes and not taken, in base64. */
  rest: { stdout: string; stderr: string };
}

/** What a spawner that waits for the next process of its master writes down for it. */
export interface Waiting {
  /** What both sides have to be the same version of; see `versions.ts`. */
  versions: string;
  /** The spawner's process number. */
  pid: number;
  /** Path of the socket on which it listens. */
  socket: string;
  /** What the one who connects has to know. */
  token: string;
}

/** Which processes a sweep looks for. */
export interface SweepScope {
  /** The beginning of a marker; see `marker.ts`. */
  prefix: string;
  /** Only processes whose spawner is no longer alive. */
  orphans: boolean;
}

export type ToSpawner =
  /** The first message. `folder` is where pipes are made, `spare` where if that file system has none. */
  | { do: "hello"; env: Record<string, string>; folder: string; spare: string; pipes: number }
  /** Makes more pipes. */
  | { do: "pipes"; count: number }
  | {
      do: "run";
      id: number;
      argv: string[];
      cwd: string;
      /** Against the environment in `hello`. */
      env: Record<string, string | null>;
      /** The command's own marker, without the spawner's part. */
      mark: string;
      call: string;
      out: string;
      err: string;
      in: string | null;
      grace: number;
    }
  /** Ends a command: SIGTERM, `grace` milliseconds, SIGKILL. Harmless if it has ended. */
  | { do: "end"; id: number; grace: number }
  | { do: "sweep"; id: number; scope: SweepScope; grace: number }
  /** Keeps a command: from now on the spawner holds its pipes open and remembers its exit. Said again if an exit crossed it. */
  | { do: "keep"; id: number; command: KeptCommand }
  /** Gives a kept command back to the master, who has its pipes open. */
  | { do: "resume"; id: number }
  /** Ends a kept command; an `exit` always follows. */
  | { do: "drop"; id: number; grace: number }
  /** The master goes and another one is to come, within `keepFor` milliseconds; `file` is where it will look for {@link Waiting}. */
  | { do: "release"; keepFor: number; file: string; versions: string }
  /** The first message of the next master. */
  | { do: "adopt"; token: string; env: Record<string, string>; pipes: number }
  /** Instead of `adopt`, by a master of another version: ends everything. May never change. */
  | { do: "leave"; token: string };

export type FromSpawner =
  /** It can run commands. `paths` are its pipes, `folder` is where they are. */
  | { say: "ready"; folder: string; paths: string[] }
  | { say: "unable"; code: string; message: string }
  | { say: "pipes"; paths: string[]; error: string | null }
  /** Said of commands that have run for some milliseconds: their output is worth watching. */
  | { say: "started"; ids: number[] }
  | ({ say: "exit"; id: number } & Exit)
  | { say: "failed"; id: number; code: string; fault: StartFault }
  | { say: "swept"; id: number; ended: number; left: number }
  /** Answers `keep`; false if the pipes are gone. */
  | { say: "kept"; id: number; kept: boolean }
  /** Answers `resume`. `elapsed` is the time until the exit, if there was one. */
  | { say: "resumed"; id: number; exit: Exit | null; elapsed: number; silent: number }
  /** Answers `release`: it waits, or cannot. */
  | { say: "released"; error: string | null }
  /** Answers `adopt`; `ready` follows. `nextId` is above every number that was used. */
  | { say: "adopted"; nextId: number; keepFor: number; kept: { id: number; command: KeptCommand }[] };

/** Why a command did not start. */
export type StartFault = "command" | "cwd-missing" | "cwd-no-folder" | "cwd-denied" | "too-long" | "pipes" | "system";
