import type { ServerResponse } from "node:http";
import { type HttpContext, type HttpServer, PacedAnswer } from "@belfry/http";
import {
  type Api,
  type Caller,
  CallerWatch,
  type EventBatch,
  EventHub,
  type EventReader,
  type EventSubscription,
} from "belfry";
import { faults } from "./errors.ts";
import type { WebOptions } from "./options.ts";

const RETRY = 1_000;
/** The script takes a stream for broken when it has been silent for three of these. */
const HEARTBEAT = 15_000;

/** Streams that tell open pages what has changed. */
export class Streams {
  readonly #http: HttpServer;
  readonly #options: WebOptions;
  readonly #hub: EventHub;
  readonly #watch = new CallerWatch();
  readonly #open = new Map<PageStream, string>();
  readonly #heart: NodeJS.Timeout;

  constructor(api: Api, http: HttpServer, options: WebOptions) {
    this.#http = http;
    this.#options = options;
    this.#hub = new EventHub(api);
    this.#heart = setInterval(() => {
      for (const stream of this.#open.keys()) stream.beat();
    }, HEARTBEAT);
    this.#heart.unref();
  }

  async answer(ctx: HttpContext): Promise<void> {
    const caller = await this.#http.caller(ctx);
    const client = caller.kind === "anonymous" ? `address ${ctx.ip}` : `${caller.kind} ${caller.name}`;
    const stream = new PageStream(ctx.res);
    this.#enter(stream, client);
    try {
      await this.#begin(ctx, caller, stream);
    } catch (error) {
      this.#open.delete(stream);
      throw error;
    }
  }

  close(): void {
    clearInterval(this.#heart);
    this.#watch.close();
    this.#hub.close();
    for (const stream of this.#open.keys()) stream.end();
  }

  async #begin(ctx: HttpContext, caller: Caller, stream: PageStream): Promise<void> {
    const query = new URLSearchParams(ctx.querystring);
    const types = (query.get("types") ?? "").split(",").filter((type) => type !== "");
    const wish = {
      since: ctx.get("Last-Event-ID") || query.get("since") || undefined,
      types: types.length === 0 ? undefined : types,
      builder: query.get("builder") ?? undefined,
    };
    const credentials = this.#http.credentials(ctx);
    const subscription = await this.#hub.subscribe(caller, credentials, wish, stream);
    ctx.set("Content-Type", "text/event-stream; charset=utf-8");
    ctx.set("Cache-Control", "no-store");
    ctx.set("X-Accel-Buffering", "no");
    ctx.status = 200;
    if (ctx.method === "HEAD" || ctx.state.signal.aborted) {
      subscription.end();
      this.#open.delete(stream);
      return;
    }
    const unwatch = this.#watch.add(
      caller,
      credentials,
      () => this.#http.caller(ctx),
      () => stream.end(),
    );
    ctx.respond = false;
    ctx.state.signal.addEventListener("abort", () => stream.end(), { once: true });
    ctx.res.once("close", () => {
      unwatch();
      subscription.end();
      this.#open.delete(stream);
    });
    stream.start(subscription);
  }

  #enter(stream: PageStream, client: string): void {
    const { streamLimit, clientLimit } = this.#options;
    if (this.#open.size >= streamLimit) throw this.#http.withStatus(faults.streamsFull(streamLimit), 503);
    const own = [...this.#open.values()].filter((other) => other === client).length;
    if (own >= clientLimit) throw this.#http.withStatus(faults.streamsFull(clientLimit), 429);
    this.#open.set(stream, client);
  }
}

/** One open page: a block of text for each event, without what a page does not look at. */
class PageStream implements EventReader {
  readonly #answer: PacedAnswer;
  #subscription: EventSubscription | undefined;

  constructor(res: ServerResponse) {
    this.#answer = new PacedAnswer(res, () => this.#subscription?.ready());
  }

  start(subscription: EventSubscription): void {
    this.#subscription = subscription;
    this.#answer.write(`retry: ${RETRY}\nid: ${subscription.position}\n\n`);
    subscription.start();
  }

  take(batch: EventBatch): boolean {
    return this.#answer.write(batch.once("web", () => Buffer.from(blocks(batch))));
  }

  failed(): void {
    this.end();
  }

  beat(): void {
    if (!this.#answer.full) this.#answer.write("event: beat\ndata: {}\n\n");
  }

  end(): void {
    this.#subscription?.end();
    this.#answer.end();
  }
}

function blocks({ events, next, gap }: EventBatch): string {
  const parts = gap ? ["event: gap\ndata: {}\n\n"] : [];
  for (const { position, type, builder, data } of events)
    parts.push(`id: ${position}\ndata: ${JSON.stringify({ type, data: { builder, ...data } })}\n\n`);
  if (events.at(-1)?.position !== next) parts.push(`id: ${next}\n\n`);
  return parts.join("");
}
