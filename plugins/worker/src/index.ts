import { definePlugin } from "belfry";
import { localWorker } from "./local.ts";

export { buildFolderName, folderName } from "./build-folder.ts";
export { Executor, type ExecutorCall, type ExecutorOptions, type OwnedCall } from "./executor.ts";
export { folderPrefix, workerPrefix } from "./marker.ts";
export type { SweepScope, Waiting } from "./protocol.ts";
export { clearWaiting, findWaiting } from "./waiting-spawner.ts";
export { localWorker };

export default definePlugin({ name: "@belfry/worker", version: "0.1.0", parts: [localWorker] });
