import {
  type BuildStep,
  type ChangeSource,
  type CommandResult,
  type CommandSpec,
  defineChangeSource,
  defineListener,
  defineLogStore,
  definePlugin,
  defineScheduler,
  defineSecrets,
  defineService,
  defineStep,
  defineWorker,
  type LogStore,
  type OutputSink,
  type Scheduler,
  type SecretProvider,
  type Service,
  type StatusListener,
  type StepContext,
  type StepResult,
  type Worker,
  type WorkerSession,
  z,
} from "belfry";

const given = <T>() => z.custom<T>((value) => value !== undefined);

/** A step from a function; a plain result or a result's name will do. */
export const step = defineStep({
  kind: "step",
  options: z.object({
    run: given<(ctx: StepContext) => Promise<StepResult> | StepResult>(),
    title: z.string().default("step"),
    resumable: z.boolean().default(false),
  }),
  create: ({ run, title, resumable }): BuildStep => ({ name: title, resumable, run: async (ctx) => run(ctx) }),
});

/** A change source from an object. */
export const source = defineChangeSource({
  kind: "source",
  options: z.object({ source: given<ChangeSource>() }),
  create: (options) => options.source,
});

/** A scheduler from an object. */
export const scheduler = defineScheduler({
  kind: "scheduler",
  options: z.object({ scheduler: given<Scheduler>() }),
  create: (options) => options.scheduler,
});

/** A listener from an object. */
export const listener = defineListener({
  kind: "listener",
  options: z.object({ listener: given<StatusListener>() }),
  create: (options) => options.listener,
});

/** A service from an object. */
export const service = defineService({
  kind: "service",
  options: z.object({ service: given<Service>() }),
  create: (options) => options.service,
});

/** A log store from an object. */
export const logStore = defineLogStore({
  kind: "log-store",
  options: z.object({ store: given<LogStore>() }),
  create: (options) => options.store,
});

/** Secrets from an object. */
export const secrets = defineSecrets({
  kind: "secrets",
  options: z.object({ values: z.record(z.string(), z.string()) }),
  create: ({ values }): SecretProvider => ({
    get: async (name) => (Object.hasOwn(values, name) ? values[name] : undefined),
  }),
});

/** How a fake worker answers a command. */
export type FakeCommand = (
  spec: CommandSpec,
  output: OutputSink,
  signal: AbortSignal,
) => Promise<Partial<CommandResult>> | Partial<CommandResult>;

/** A worker without a machine: commands are a function, files a map. For tests of the engine. */
export const fakeWorker = defineWorker({
  kind: "fake-worker",
  options: z.object({ slots: z.int().positive().default(1), run: given<FakeCommand>().optional() }),
  create: ({ slots, run }): Worker => {
    let connected = false;
    return {
      slots,
      get connected() {
        return connected;
      },
      info: { system: "fake" },
      async start() {
        connected = true;
      },
      async stop() {
        connected = false;
      },
      open: async (build) => fakeSession(`/fake/${build.builder}/${build.slot}`, run),
    };
  },
});

function fakeSession(folder: string, run: FakeCommand | undefined): WorkerSession {
  const files = new Map<string, Uint8Array>();
  const missing = (path: string) => Object.assign(new Error(`ENOENT: no such file, '${path}'`), { code: "ENOENT" });
  return {
    folder,
    async run(spec, sink, { signal }) {
      const begun = performance.now();
      const result = (await run?.(spec, sink, signal)) ?? {};
      return { code: 0, signal: null, killed: null, elapsed: performance.now() - begun, ...result };
    },
    async stat(path) {
      const data = files.get(path);
      if (!data) throw missing(path);
      return { type: "file", size: data.length, modified: 0, executable: false };
    },
    async readFile(path) {
      const data = files.get(path);
      if (!data) throw missing(path);
      return data;
    },
    async writeFile(path, data) {
      files.set(path, data);
    },
    async mkdir() {},
    async remove(path) {
      files.delete(path);
    },
    async copy(from, to) {
      const data = files.get(from);
      if (!data) throw missing(from);
      files.set(to, data);
    },
    list: async () => [...files.keys()].map((name) => ({ name, type: "file" as const })),
    async close() {},
  };
}

/** The plugin of the testkit's own parts. */
export const testkit = definePlugin({
  name: "@belfry/testkit",
  version: "0.1.0",
  parts: [step, source, scheduler, listener, service, secrets, logStore, fakeWorker],
});
