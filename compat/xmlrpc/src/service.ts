import { HTTP_SERVER, type HttpContext, type HttpServer } from "@belfry/http";
import { type BelfryError, type DependencyContainer, type Logger, messageOf, type Service, TOKENS } from "belfry";
import { buildbotMethods } from "./buildbot/methods.ts";
import { textOf } from "./codec/charset.ts";
import { decodeCall } from "./codec/decode.ts";
import { responseOf, serializeFault } from "./codec/package-codec.ts";
import { cleaned } from "./codec/text.ts";
import { faults } from "./errors.ts";
import { type Fault, faultOf } from "./fault-codes.ts";
import { xmlBody } from "./media-type.ts";
import { type Answer, Dispatcher } from "./methods/dispatcher.ts";
import { type CallContext, plainFault } from "./methods/family.ts";
import { nativeMethods } from "./methods/native.ts";
import { systemMethods } from "./methods/system.ts";
import type { XmlrpcOptions } from "./options.ts";
import { Turns } from "./turns.ts";

const XML = "text/xml; charset=utf-8";

/** Puts the API of the master and the methods of old Buildbots at a path of its HTTP server. */
export class XmlrpcService implements Service {
  readonly role = "api";
  readonly #options: XmlrpcOptions;
  readonly #container: DependencyContainer;
  #unmount: (() => Promise<void>) | undefined;

  constructor(options: XmlrpcOptions, container: DependencyContainer) {
    this.#options = options;
    this.#container = container;
  }

  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const http = this.#server();
    const api = this.#container.resolve(TOKENS.api);
    const log = this.#container.resolve(TOKENS.logger).child({ plugin: "@belfry/xmlrpc" });
    const { multicallLimit, answerLimit } = this.#options;
    const dispatcher = new Dispatcher();
    dispatcher.add(systemMethods(dispatcher, { calls: multicallLimit, answer: answerLimit }));
    dispatcher.add(buildbotMethods(api, this.#options));
    dispatcher.add(nativeMethods(api));
    this.#unmount = http.mount(`${this.#options.path}/*`, {
      title: "XML-RPC",
      describe: "All methods of this master, and those of Buildbot 0.7.6 to 0.8.1, by POST of text/xml.",
      methods: ["POST"],
      handler: (ctx) => this.#answer(ctx, http, dispatcher, log),
      errorBody: (error) => ({ type: XML, body: faultText(faultOf(error)) }),
    });
  }

  async stop(): Promise<void> {
    await this.#unmount?.();
  }

  describe(): string[] {
    const { url } = this.#server();
    return url === undefined ? [] : [`${url}${this.#options.path} answers XML-RPC.`];
  }

  async #answer(ctx: HttpContext, http: HttpServer, dispatcher: Dispatcher, log: Logger): Promise<void> {
    const xml = xmlBody(ctx.headers);
    if (xml === undefined) throw http.withStatus(faults.mediaType(), 415);
    const caller = await http.caller(ctx);
    const bytes = await http.body(ctx, this.#options.bodyLimit);
    const { requestId, signal } = ctx.state;
    const context: CallContext = {
      caller,
      signal,
      encoding: this.#encoding(ctx.query),
      turns: new Turns(),
      report(error) {
        const stack = error instanceof Error ? error.stack : undefined;
        // What ends because its client has gone is nobody's fault.
        if (!signal.aborted) log.error({ requestId, error: messageOf(error), stack }, "a call failed");
        return faults.internal(requestId);
      },
    };
    const answer = await this.#call(bytes, xml.charset, dispatcher, context);
    ctx.status = 200;
    if (answer.fault?.error?.code === "BELFRY_BUDGET_SPENT") {
      ctx.status = 429;
      ctx.set("Retry-After", retryAfter(answer.fault.error));
    }
    ctx.set("Content-Type", XML);
    ctx.set("Cache-Control", "no-store");
    ctx.body = answer.fault === undefined ? responseOf(answer.result.xml) : faultText(answer.fault);
  }

  /** Never rejects. */
  async #call(
    bytes: Buffer,
    charset: string | undefined,
    dispatcher: Dispatcher,
    context: CallContext,
  ): Promise<Answer> {
    const { depthLimit, valueLimit } = this.#options;
    try {
      const limits = { depth: depthLimit, values: valueLimit };
      const { method, params } = await decodeCall(textOf(bytes, charset), limits, context.turns);
      return await dispatcher.run(method, params, context);
    } catch (error) {
      return { fault: plainFault(error, context) };
    }
  }

  #encoding(query: HttpContext["query"]): CallContext["encoding"] {
    return {
      nil: asked(query["nil"]) ?? this.#options.nil,
      i8: asked(query["i8"]) ?? this.#options.i8,
      base64: asked(query["base64"]) ?? this.#options.base64,
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

/** Whether the query asks for something, as in `?nil=1`; `undefined` if it is silent about it. */
function asked(value: string | string[] | undefined): boolean | undefined {
  if (value === undefined) return undefined;
  return !["0", "false", "no"].includes(String(value));
}

function faultText({ code, text }: Fault): string {
  return serializeFault(code, cleaned(text));
}

function retryAfter(error: BelfryError): string {
  const told = error.details.find(({ path }) => path === "retryAfterSeconds")?.message ?? "";
  return /^\d+$/.test(told) ? told : "1";
}
