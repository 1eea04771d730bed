import { monitorEventLoopDelay } from "node:perf_hooks";

const RESOLUTION = 20;
const WINDOW = 60_000;

/** How busy this process is: milliseconds by which its event loop was late in the last minute or two, and memory. */
export interface Load {
  lag: { p50: number; p99: number; max: number };
  memory: { heap: number; resident: number };
}

/** Watches the event loop of this process, in windows of a minute. */
export class LoadWatch {
  readonly #delay = monitorEventLoopDelay({ resolution: RESOLUTION });
  readonly #timer: NodeJS.Timeout;
  #last: Load["lag"] = { p50: 0, p99: 0, max: 0 };

  constructor() {
    this.#delay.enable();
    this.#timer = setInterval(() => {
      this.#last = this.#lag();
      this.#delay.reset();
    }, WINDOW).unref();
  }

  get load(): Load {
    const now = this.#lag();
    const { heapUsed, rss } = process.memoryUsage();
    const worse = (key: keyof Load["lag"]) => Math.max(now[key], this.#last[key]);
    return {
      lag: { p50: worse("p50"), p99: worse("p99"), max: worse("max") },
      memory: { heap: heapUsed, resident: rss },
    };
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#delay.disable();
  }

  /** What is measured has the interval of measuring in it. */
  #lag(): Load["lag"] {
    const late = (nanos: number) => Math.max(0, Math.round((nanos / 1e6 - RESOLUTION) * 10) / 10) || 0;
    return { p50: late(this.#delay.percentile(50)), p99: late(this.#delay.percentile(99)), max: late(this.#delay.max) };
  }
}
