import {
  definePlugin,
  defineWorker,
  type Entry,
  type Worker,
  type WorkerSession,
  type WorkerStartContext,
  z,
} from "belfry";

/** A worker that a test leads by the hand. */
export interface ScriptedWorker {
  readonly entry: Entry<"worker">;
  /** Says to core that it is there, or gone. */
  connect(connected: boolean): void;
  slots: number;
  /** What opens sessions; a test may replace it. */
  open: (build: { id: number; builder: string; slot: number; fence: number }) => Promise<WorkerSession>;
  /** What was opened, in order. */
  readonly opened: { id: number; builder: string; slot: number; fence: number }[];
  closed: number;
  stopped: number;
}

const session = (closed: () => void): WorkerSession => ({
  folder: "/scripted",
  run: async () => ({ code: 0, signal: null, killed: null, elapsed: 0 }),
  stat: async () => ({ type: "file", size: 0, modified: 0, executable: false }),
  readFile: async () => new Uint8Array(),
  writeFile: async () => undefined,
  mkdir: async () => undefined,
  remove: async () => undefined,
  copy: async () => undefined,
  list: async () => [],
  close: async () => closed(),
});

const worker = defineWorker({
  kind: "scripted",
  options: z.object({ worker: z.custom<Worker>(() => true) }),
  create: (options) => options.worker,
});
definePlugin({ name: "test-scripted", parts: [worker] });

export function scriptedWorker(name: string, connected = true): ScriptedWorker {
  let there = connected;
  let ctx: WorkerStartContext | undefined;
  const script: ScriptedWorker = {
    entry: worker({
      name,
      worker: {
        get slots() {
          return script.slots;
        },
        get connected() {
          return there;
        },
        info: {},
        async start(context) {
          ctx = context;
        },
        async stop() {
          there = false;
          script.stopped += 1;
        },
        open(build) {
          script.opened.push(build);
          return script.open(build);
        },
      },
    }),
    connect(now) {
      there = now;
      ctx?.changed();
    },
    slots: 1,
    open: async () =>
      session(() => {
        script.closed += 1;
      }),
    opened: [],
    closed: 0,
    stopped: 0,
  };
  return script;
}
