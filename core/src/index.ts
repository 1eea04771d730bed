export { z } from "zod";
export type { Api } from "./api/api.ts";
export type { Logger } from "./api/logger.ts";
export { TOKENS } from "./api/tokens.ts";
export { BelfryError, messageOf } from "./errors/belfry-error.ts";
export * from "./interfaces/index.ts";
export {
  defineChangeSource,
  defineDatabase,
  defineListener,
  defineLogStore,
  definePlugin,
  defineScheduler,
  defineSecrets,
  defineService,
  defineStep,
  defineWorker,
  duration,
  renders,
} from "./plugins/define.ts";
