import { HTTP_SERVER, type HttpContext, type HttpServer } from "@belfry/http";
import { type DependencyContainer, type Logger, messageOf, type Service, TOKENS } from "belfry";
import { type AnswerLimits, answerBody } from "./body-answer.ts";
import { discoverMethod } from "./discover.ts";
import { type RpcError, rpcError } from "./error-codes.ts";
import { faults } from "./errors.ts";
import { mayBeJson } from "./media-type.ts";
import { type Methods, methodsOf } from "./methods.ts";
import type { JsonrpcOptions } from "./options.ts";
import { subscriptionMethods } from "./subscription-methods.ts";
import { WebSockets } from "./web-sockets.ts";

/** Puts the API of the master at a path of its HTTP server, by POST and over WebSocket. */
export class JsonrpcService implements Service {
  readonly role = "api";
  readonly #options: JsonrpcOptions;
  readonly #limits: AnswerLimits;
  readonly #container: DependencyContainer;
  #unmount: (() => Promise<void>) | undefined;
  #sockets: WebSockets | undefined;

  constructor(options: JsonrpcOptions, container: DependencyContainer) {
    this.#options = options;
    this.#limits = {
      depth: options.depthLimit,
      values: options.valueLimit,
      batch: options.batchLimit,
      concurrency: options.batchConcurrency,
      answer: options.answerLimit,
    };
    this.#container = container;
  }

  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const http = this.#server();
    const api = this.#container.resolve(TOKENS.api);
    const log = this.#container.resolve(TOKENS.logger).child({ plugin: "@belfry/jsonrpc" });
    const methods: Methods = methodsOf(api, [discoverMethod(() => methods), ...subscriptionMethods]);
    this.#unmount = http.mount(this.#options.path, {
      title: "JSON-RPC 2.0",
      describe: "All methods of this master, by POST of application/json, or over WebSocket; also as JSON-RPC 1.0.",
      methods: ["POST"],
      handler: (ctx) => this.#answer(ctx, http, methods, log),
      errorBody: (error) => `${JSON.stringify({ jsonrpc: "2.0", id: null, error: rpcError(error) })}\n`,
    });
    this.#sockets = new WebSockets(this.#options, this.#limits, api, methods, log);
    this.#sockets.open(http);
  }

  async stop(): Promise<void> {
    await this.#sockets?.close();
    await this.#unmount?.();
  }

  describe(): string[] {
    const { url } = this.#server();
    return url === undefined ? [] : [`${url}${this.#options.path} answers JSON-RPC 2.0.`];
  }

  async #answer(ctx: HttpContext, http: HttpServer, methods: Methods, log: Logger): Promise<void> {
    if (!mayBeJson(ctx.headers)) throw http.withStatus(faults.mediaType(), 415);
    const caller = await http.caller(ctx);
    const bytes = await http.body(ctx, this.#options.bodyLimit);
    const { requestId, signal } = ctx.state;
    const report = (error: unknown) => {
      const stack = error instanceof Error ? error.stack : undefined;
      // What ends because its client has gone is nobody's fault.
      if (!signal.aborted) log.error({ requestId, error: messageOf(error), stack }, "a call failed");
      return faults.internal(requestId);
    };
    const { text, error } = await answerBody(bytes, this.#limits, { caller, signal, methods, report });
    ctx.set("Cache-Control", "no-store");
    if (text === undefined) {
      ctx.status = 204;
      return;
    }
    ctx.status = 200;
    if (error) setRefusal(ctx, error);
    ctx.set("Content-Type", "application/json; charset=utf-8");
    // Bytes: Node writes a long string of UTF-8 more slowly than it is turned into them.
    ctx.body = Buffer.from(text);
  }

  #server(): HttpServer {
    try {
      return this.#container.resolve(HTTP_SERVER);
    } catch (error) {
      throw faults.noHttp(error);
    }
  }
}

/** Who has spent its budget is told so by the status too: what stands between reads that, and not the answer. */
function setRefusal(ctx: HttpContext, { data }: RpcError): void {
  if (data.code !== "BELFRY_BUDGET_SPENT") return;
  const details = data.details as unknown as { path: string; message: string }[];
  const seconds = details.find(({ path }) => path === "retryAfterSeconds")?.message;
  ctx.status = 429;
  ctx.set("Retry-After", seconds ?? "1");
}
