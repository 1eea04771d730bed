import { HTTP_SERVER, type HttpContext, type HttpServer } from "@belfry/http";
import { type DependencyContainer, type Logger, messageOf, type Service, TOKENS } from "belfry";
import { type AnswerLimits, answerBody } from "./body-answer.ts";
import { type Dialect, dialectTwo } from "./dialect.ts";
import { rpcError } from "./error-codes.ts";
import { faults } from "./errors.ts";
import { mayBeJson } from "./media-type.ts";
import type { JsonrpcOptions } from "./options.ts";

/** Puts the API of the master at a path of its HTTP server. */
export class JsonrpcService implements Service {
  readonly #options: JsonrpcOptions;
  readonly #limits: AnswerLimits;
  readonly #container: DependencyContainer;
  #unmount: (() => Promise<void>) | undefined;

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
    const dialect = dialectTwo(api);
    this.#unmount = http.mount(this.#options.path, {
      title: "JSON-RPC 2.0",
      describe: "All methods of this master, by POST of application/json.",
      methods: ["POST"],
      handler: (ctx) => this.#answer(ctx, http, dialect, log),
      errorBody: (error) => `${JSON.stringify({ jsonrpc: "2.0", id: null, error: rpcError(error) })}\n`,
    });
  }

  async stop(): Promise<void> {
    await this.#unmount?.();
  }

  describe(): string[] {
    const { url } = this.#server();
    return url === undefined ? [] : [`${url}${this.#options.path} answers JSON-RPC 2.0.`];
  }

  async #answer(ctx: HttpContext, http: HttpServer, dialect: Dialect, log: Logger): Promise<void> {
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
    const text = await answerBody(bytes, dialect, this.#limits, { caller, signal, report });
    ctx.set("Cache-Control", "no-store");
    if (text === undefined) {
      ctx.status = 204;
      return;
    }
    ctx.status = 200;
    ctx.set("Content-Type", "application/json; charset=utf-8");
    ctx.body = text;
  }

  #server(): HttpServer {
    try {
      return this.#container.resolve(HTTP_SERVER);
    } catch (error) {
      throw faults.noHttp(error);
    }
  }
}
