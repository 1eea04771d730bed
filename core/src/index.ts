export type { DependencyContainer, InjectionToken } from "tsyringe";
export { z } from "zod";
export type { Api } from "./api/api.ts";
export { Budgets, type Spender } from "./api/budgets.ts";
export { CallerWatch } from "./api/caller-watch.ts";
export { administrator, internal, isWithin, rightsKey } from "./api/callers.ts";
export type { CoreMethods } from "./api/core-api.ts";
export type { EventBatch } from "./api/event-batch.ts";
export { EventHub, type EventReader, type EventSubscription, type EventWish } from "./api/event-hub.ts";
export type { MethodTable } from "./api/method.ts";
export { SocketClient } from "./api/socket-client.ts";
export { TOKENS } from "./api/tokens.ts";
export { type BuilderConfig, type Config, defineConfig, type Limits, type RetentionConfig } from "./config/config.ts";
export type { Difference, Effect, Reloaded } from "./config/difference.ts";
export { systemClock } from "./engine/system-clock.ts";
export { BelfryError, messageOf } from "./errors/belfry-error.ts";
export * from "./interfaces/index.ts";
export type { Installation } from "./interfaces/installation.ts";
export type { Logger } from "./interfaces/logger.ts";
export { createFileLogStore } from "./logs/file-log-store.ts";
export { Master, type MasterOptions } from "./master.ts";
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
  definitionOf,
  duration,
  parallel,
  renders,
  sequence,
} from "./plugins/define.ts";
export type { LoadedConfig } from "./reload.ts";
export type { History } from "./status/history.ts";
export { type AnyKysely, type DirectKysely, directKysely, type SqlLanguage } from "./store/direct-kysely.ts";
export { LocalDoorbell } from "./store/local-doorbell.ts";
export { version } from "./version.ts";
