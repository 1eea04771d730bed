export { type Check, runChecks } from "./checks.ts";
export {
  type ChangeSourceContractOptions,
  changeSourceContract,
  type WatchedWorld,
} from "./contracts/change-source.ts";
export { type ListenerContractOptions, type ListeningWorld, listenerContract } from "./contracts/listener.ts";
export { logStoreContract, type OpenLogStore } from "./contracts/log-store.ts";
export { type SchedulerContractOptions, type SchedulerPass, schedulerContract } from "./contracts/scheduler.ts";
export { type StepContractOptions, stepContract } from "./contracts/step.ts";
export { type WorkerContractOptions, type WorkerWorld, workerContract } from "./contracts/worker.ts";
export { createPart } from "./create-part.ts";
export {
  type FakeCommand,
  fakeWorker,
  listener,
  logStore,
  scheduler,
  secrets,
  service,
  source,
  step,
  testkit as default,
} from "./parts.ts";
export { systemClock } from "./system-clock.ts";
export { type TestBuild, type TestBuildOptions, type TestRunOptions, testBuild } from "./test-build.ts";
export { type TestClock, testClock } from "./test-clock.ts";
export { type TestMaster, type TestMasterOptions, testMaster } from "./test-master.ts";
export { rejects, until, within } from "./waiting.ts";
