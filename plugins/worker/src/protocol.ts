/**
 * What a master and its spawner say to each other: one JSON value a line, in both directions, over
 * one socket. Output and input of commands do not pass here; they have pipes of their own.
 */

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
  | { do: "sweep"; id: number; scope: SweepScope; grace: number };

export type FromSpawner =
  | { say: "ready"; pid: number; folder: string }
  | { say: "unable"; code: string; message: string }
  | { say: "pipes"; paths: string[]; error: string | null }
  /** Said of commands that have run for some milliseconds: their output is worth watching. */
  | { say: "started"; ids: number[] }
  | {
      say: "exit";
      id: number;
      code: number | null;
      signal: string | null;
      /** True if `end` came while the main process was running. */
      ended: boolean;
      /** Processes that could not be ended. */
      left: number;
    }
  | { say: "failed"; id: number; code: string; fault: StartFault }
  | { say: "swept"; id: number; ended: number; left: number };

/** Why a command did not start. */
export type StartFault = "command" | "cwd-missing" | "cwd-no-folder" | "cwd-denied" | "too-long" | "pipes" | "system";
