import { BelfryError } from "../errors/belfry-error.ts";

/** How the `belfry` program ends. The README of this package has the same table; the numbers are kept. */
export const EXIT = {
  /** What was asked for is done, or the answer is good. */
  fine: 0,
  /** The answer is bad: a build did not succeed, a check found faults, there is something already. */
  bad: 1,
  /** The command line cannot be understood. */
  usage: 2,
  /** No master is running here. */
  noMaster: 3,
  /** The master refused: there is no such thing, it is not allowed, or not now. */
  refused: 4,
  /** What Belfry stands on cannot be used: the configuration, the database, a port, the state folder. */
  unusable: 5,
  /** A fault of Belfry or of a plugin. */
  internal: 70,
  /** Ended by Ctrl-C before its end. */
  interrupted: 130,
} as const;

/** No exit code: this process shall become the same program once more. */
export const AGAIN = -1;

const CODES: Record<string, number> = {
  BELFRY_USAGE: EXIT.usage,
  BELFRY_PARAMS_INVALID: EXIT.usage,
  BELFRY_MASTER_NOT_RUNNING: EXIT.noMaster,
  BELFRY_MASTER_STOPPING: EXIT.noMaster,
  BELFRY_INTERNAL: EXIT.internal,
  BELFRY_CONFIG_NOT_FOUND: EXIT.unusable,
  BELFRY_CONFIG_UNREADABLE: EXIT.unusable,
  BELFRY_CONFIG_INVALID: EXIT.unusable,
  BELFRY_PLUGIN_REFUSED: EXIT.unusable,
  BELFRY_DATABASE_IN_USE: EXIT.refused,
  BELFRY_SOCKET_PATH: EXIT.unusable,
  BELFRY_STATE_FOLDER: EXIT.unusable,
};

/** The exit code that says what kind of failure this was; `refusal` is that of codes that say nothing about it. */
export function exitCodeOf(error: unknown, refusal: number = EXIT.refused): number {
  if (!BelfryError.is(error)) return EXIT.internal;
  return CODES[error.code] ?? refusal;
}
