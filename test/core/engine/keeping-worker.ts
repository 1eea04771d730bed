import { until } from "@belfry/testkit";
import {
  type CommandResult,
  type CommandSpec,
  definePlugin,
  defineWorker,
  type Entry,
  type OutputSink,
  type WorkerSession,
  z,
} from "belfry";

interface Running {
  readonly name: string;
  readonly callId: string;
  readonly result: PromiseWithResolvers<CommandResult>;
  sink: OutputSink | undefined;
  /** What nobody has taken yet. */
  waiting: string[];
}

const worker = defineWorker({
  kind: "keeping",
  options: z.object({ world: z.custom<KeepingWorker>(() => true), slots: z.int() }),
  create: ({ world, slots }) => ({
    slots,
    connected: true,
    info: {},
    start: async () => undefined,
    stop: async () => world.endAll(),
    detach: async () => {
      world.detached += 1;
    },
    open: async () => {
      await world.opening;
      return world.session();
    },
  }),
});
definePlugin({ name: "test-keeping", parts: [worker] });

/** A worker whose commands a test leads by the hand, and that keeps them when its master restarts. */
export class KeepingWorker {
  readonly entry = this.with(60);
  /** Whether it keeps commands. */
  keeps = true;
  /** Whether its sessions cannot be let go of. */
  detachFails = false;
  detached = 0;
  /** What a build has to wait for before it gets a session. */
  opening: Promise<void> | undefined;
  /** How many commands were taken up. */
  resumed = 0;
  /** How many of its sessions were let go of. */
  letGo = 0;
  /** Every command that was ever begun, by its name. */
  readonly begun: string[] = [];
  readonly files = new Map<string, Uint8Array>();
  readonly #running: Running[] = [];

  /** The same one with other options. */
  with(slots: number): Entry<"worker"> {
    return worker({ name: "w", world: this, slots });
  }

  /** Prints something in a command that runs. */
  async print(name: string, text: string): Promise<void> {
    const command = await this.#find(name);
    if (command.sink) await command.sink("stdout", Buffer.from(text), Date.now());
    else command.waiting.push(text);
  }

  async end(name: string, code = 0): Promise<void> {
    const command = await this.#find(name);
    this.#running.splice(this.#running.indexOf(command), 1);
    if (!command.sink) this.#ended.set(command.callId, command);
    command.result.resolve({ code, signal: null, killed: null, elapsed: 1 });
  }

  readonly #ended = new Map<string, Running>();

  endAll(): void {
    for (const { result } of this.#running.splice(0))
      result.resolve({ code: null, signal: "SIGTERM", killed: "cancelled", elapsed: 1 });
  }

  async #find(name: string): Promise<Running> {
    const find = () => this.#running.find((command) => command.name === name);
    await until(() => find() !== undefined, `the command ${name}`);
    return find() as Running;
  }

  session(): WorkerSession {
    let detached = false;
    const own: Running[] = [];
    const watch = (command: Running, sink: OutputSink, signal: AbortSignal) => {
      command.sink = sink;
      own.push(command);
      const stop = () =>
        !detached && command.result.resolve({ code: null, signal: null, killed: "cancelled", elapsed: 1 });
      signal.addEventListener("abort", stop, { once: true });
      return command.result.promise;
    };
    return {
      folder: "/keeping",
      run: (spec: CommandSpec, sink, { signal, callId }) => {
        const name = String(spec.command);
        this.begun.push(name);
        const command = { name, callId, result: Promise.withResolvers<CommandResult>(), sink, waiting: [] };
        this.#running.push(command);
        return watch(command, sink, signal);
      },
      stat: async (path) => {
        const file = this.files.get(path);
        if (!file) throw Object.assign(new Error(`there is no ${path}`), { code: "ENOENT" });
        return { type: "file", size: file.length, modified: 1, executable: false };
      },
      readFile: async (path) => this.files.get(path) ?? new Uint8Array(),
      writeFile: async (path, data) => {
        this.begun.push(`write ${path}`);
        this.files.set(path, data);
      },
      mkdir: async () => undefined,
      remove: async () => undefined,
      copy: async () => undefined,
      list: async () => [],
      close: async () => undefined,
      detach: async () => {
        if (this.detachFails) throw new Error("the connection is gone");
        detached = true;
        this.letGo += 1;
        for (const command of own) command.sink = undefined;
      },
      ...(this.keeps
        ? {
            resume: async (_spec: CommandSpec, sink: OutputSink, options: { signal: AbortSignal; callId: string }) => {
              const isIt = ({ callId }: Running) => callId === options.callId;
              const command = this.#running.find(isIt) ?? this.#ended.get(options.callId);
              if (!command) return undefined;
              this.resumed += 1;
              for (const text of command.waiting.splice(0)) await sink("stdout", Buffer.from(text), Date.now());
              return watch(command, sink, options.signal);
            },
          }
        : {}),
    };
  }
}
