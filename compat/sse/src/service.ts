import { HTTP_SERVER, type HttpContext, type HttpServer } from "@belfry/http";
import { type Caller, CallerWatch, type DependencyContainer, EventHub, type Service, TOKENS } from "belfry";
import { faults } from "./errors.ts";
import type { SseOptions } from "./options.ts";
import { Stream } from "./stream.ts";
import { wishOf } from "./wish.ts";

interface Running {
  readonly http: HttpServer;
  readonly hub: EventHub;
  readonly watch: CallerWatch;
}

/** Puts the events of the master at a path of its HTTP server. */
export class SseService implements Service {
  readonly role = "api";
  readonly #options: SseOptions;
  readonly #container: DependencyContainer;
  readonly #streams = new Set<Stream>();
  /** How many streams each client has, those that are about to be opened included. */
  readonly #clients = new Map<string, number>();
  #open = 0;
  #stop: (() => Promise<void>) | undefined;

  constructor(options: SseOptions, container: DependencyContainer) {
    this.#options = options;
    this.#container = container;
  }

  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const http = this.#server();
    const hub = new EventHub(this.#container.resolve(TOKENS.api));
    const watch = new CallerWatch(this.#options.tokenInterval);
    const heart = setInterval(() => {
      for (const stream of this.#streams) stream.beat();
    }, this.#options.heartbeat);
    heart.unref();
    const unmount = http.mount(this.#options.path, {
      title: "Events",
      describe: "What happens, as server-sent events; ?since=, ?types= and ?builder= choose which.",
      handler: (ctx) => this.#answer(ctx, { http, hub, watch }),
    });
    this.#stop = async () => {
      clearInterval(heart);
      watch.close();
      hub.close();
      const left = unmount();
      for (const stream of this.#streams) stream.end();
      await left;
    };
  }

  async stop(): Promise<void> {
    await this.#stop?.();
  }

  describe(): string[] {
    const { url } = this.#server();
    return url === undefined ? [] : [`${url}${this.#options.path} streams what happens.`];
  }

  async #answer(ctx: HttpContext, { http, hub, watch }: Running): Promise<void> {
    const caller = await http.caller(ctx);
    const wish = wishOf(ctx, http);
    const leave = this.#enter(caller, ctx, http);
    try {
      const credentials = http.credentials(ctx);
      const stream = new Stream(ctx.res);
      const subscription = await hub.subscribe(caller, credentials, wish, stream);
      ctx.set("Content-Type", "text/event-stream; charset=utf-8");
      ctx.set("Cache-Control", "no-store");
      ctx.set("X-Accel-Buffering", "no");
      ctx.status = 200;
      if (ctx.method === "HEAD" || ctx.state.signal.aborted) {
        subscription.end();
        leave();
        return;
      }
      const whoIs = () => http.caller(ctx);
      const unwatch = watch.add(caller, credentials, whoIs, () => stream.end());
      this.#streams.add(stream);
      ctx.respond = false;
      ctx.state.signal.addEventListener("abort", () => stream.end(), { once: true });
      ctx.res.once("close", () => {
        unwatch();
        leave();
        subscription.end();
        this.#streams.delete(stream);
      });
      stream.start(subscription, this.#options.retry);
    } catch (error) {
      leave();
      throw error;
    }
  }

  /** Counts a stream; returns how to count it no more. */
  #enter(caller: Caller, ctx: HttpContext, http: HttpServer): () => void {
    const { streamLimit, clientLimit } = this.#options;
    const client = caller.kind === "anonymous" ? `address ${ctx.ip}` : `${caller.kind} ${caller.name}`;
    const count = this.#clients.get(client) ?? 0;
    if (this.#open >= streamLimit) throw http.withStatus(faults.streamsFull(streamLimit), 503);
    if (count >= clientLimit) throw http.withStatus(faults.clientFull(clientLimit), 429);
    this.#open += 1;
    this.#clients.set(client, count + 1);
    let inside = true;
    return () => {
      if (!inside) return;
      inside = false;
      this.#open -= 1;
      const left = (this.#clients.get(client) ?? 1) - 1;
      if (left === 0) this.#clients.delete(client);
      else this.#clients.set(client, left);
    };
  }

  #server(): HttpServer {
    try {
      return this.#container.resolve(HTTP_SERVER);
    } catch (error) {
      throw faults.noHttp(error);
    }
  }
}
