import type { InjectionToken } from "tsyringe";
import type { Clock } from "../interfaces/clock.ts";
import type { Installation } from "../interfaces/installation.ts";
import type { Logger } from "../interfaces/logger.ts";
import type { Api } from "./api.ts";

/** What plugins resolve from their container. */
export const TOKENS = {
  /** {@link Api}: the methods, by name. */
  api: Symbol.for("belfry.api") as InjectionToken<Api>,
  /** {@link Clock}. */
  clock: Symbol.for("belfry.clock") as InjectionToken<Clock>,
  /** {@link Installation}: what pages and messages call it. */
  installation: Symbol.for("belfry.installation") as InjectionToken<Installation>,
  /** {@link Logger}: the master's log, to be used through `child({ plugin })`. */
  logger: Symbol.for("belfry.logger") as InjectionToken<Logger>,
};
