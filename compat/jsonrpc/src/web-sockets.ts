import type { HttpServer, Upgrade } from "@belfry/http";
import { type Api, BelfryError, CallerWatch, EventHub, type Logger, messageOf } from "belfry";
import { type WebSocket, WebSocketServer } from "ws";
import type { AnswerLimits } from "./body-answer.ts";
import { CLOSE, Connection } from "./connection.ts";
import { rpcError } from "./error-codes.ts";
import { faults } from "./errors.ts";
import type { Methods } from "./methods.ts";
import type { JsonrpcOptions } from "./options.ts";

/** How long connections may be pinged one after the other before everybody else gets a turn. */
const SLICE = 5;

/** What all connections share. */
export interface ConnectionParts {
  readonly options: JsonrpcOptions;
  readonly limits: AnswerLimits;
  readonly api: Api;
  readonly methods: Methods;
  readonly hub: EventHub;
  readonly log: Logger;
}

/** Takes WebSockets at the path, keeps them in bounds, and ends those that have gone silent or lost their right. */
export class WebSockets {
  readonly #parts: ConnectionParts;
  readonly #server: WebSocketServer;
  readonly #watch: CallerWatch;
  readonly #connections = new Set<Connection>();
  readonly #heart: NodeJS.Timeout;
  #opening = 0;
  #closed = false;
  #release: (() => void) | undefined;

  constructor(options: JsonrpcOptions, limits: AnswerLimits, api: Api, methods: Methods, log: Logger) {
    this.#parts = { options, limits, api, methods, log, hub: new EventHub(api) };
    this.#watch = new CallerWatch(options.tokenInterval);
    this.#server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: options.bodyLimit,
    });
    this.#heart = setInterval(() => void this.#beat(), options.pingInterval);
    this.#heart.unref();
  }

  open(http: HttpServer): void {
    this.#release = http.onUpgrade(this.#parts.options.path, (upgrade) => void this.#accept(upgrade));
  }

  /** Ends all connections, and takes no more. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#release?.();
    clearInterval(this.#heart);
    this.#watch.close();
    this.#parts.hub.close();
    await Promise.all([...this.#connections].map((connection) => connection.end(CLOSE.restart, "the master stops")));
  }

  async #accept(upgrade: Upgrade): Promise<void> {
    const { options, log } = this.#parts;
    this.#opening += 1;
    try {
      if (this.#connections.size + this.#opening > options.connectionLimit)
        throw faults.connectionsFull(options.connectionLimit);
      const caller = await upgrade.caller();
      if (caller.scopes.size === 0) throw faults.forbidden("A WebSocket");
      if (this.#closed) return void upgrade.socket.destroy();
      this.#server.handleUpgrade(upgrade.req, upgrade.socket, upgrade.head, (socket) => {
        const { credentials } = upgrade;
        const connection = new Connection(socket, upgrade.socket, caller, credentials, upgrade.requestId, this.#parts);
        const whoIs = () => upgrade.caller();
        this.#keep(socket, connection, this.#watch.add(caller, credentials, whoIs, lapse(connection)));
      });
    } catch (error) {
      if (!BelfryError.is(error))
        log.error({ requestId: upgrade.requestId, error: messageOf(error) }, "a WebSocket could not be opened");
      refuse(upgrade, BelfryError.is(error) ? error : faults.internal(upgrade.requestId));
    } finally {
      this.#opening -= 1;
    }
  }

  #keep(socket: WebSocket, connection: Connection, unwatch: () => void): void {
    this.#connections.add(connection);
    socket.once("close", () => {
      unwatch();
      this.#connections.delete(connection);
    });
  }

  async #beat(): Promise<void> {
    let sliceEnd = performance.now() + SLICE;
    for (const connection of [...this.#connections]) {
      connection.ping();
      if (performance.now() < sliceEnd) continue;
      await new Promise((resolve) => setImmediate(resolve));
      sliceEnd = performance.now() + SLICE;
    }
  }
}

function lapse(connection: Connection): () => void {
  return () => void connection.end(CLOSE.lapsed, "the token is no longer good");
}

const STATUS: Record<string, string> = {
  BELFRY_HTTP_TOKEN_REFUSED: '401 Unauthorized\r\nWWW-Authenticate: Bearer realm="belfry", error="invalid_token"',
  BELFRY_HTTP_ORIGIN_MISSING: "403 Forbidden",
  BELFRY_HTTP_ORIGIN_REFUSED: "403 Forbidden",
  BELFRY_JSONRPC_FORBIDDEN: '401 Unauthorized\r\nWWW-Authenticate: Bearer realm="belfry"',
  BELFRY_JSONRPC_CONNECTIONS_FULL: "503 Service Unavailable\r\nRetry-After: 10",
  BELFRY_DATABASE_AWAY: "503 Service Unavailable\r\nRetry-After: 1",
};

/** Answers an upgrade that is not granted, as HTTP still. */
function refuse({ socket, requestId }: Upgrade, error: BelfryError): void {
  if (!socket.writable) return void socket.destroy();
  const body = `${JSON.stringify({ jsonrpc: "2.0", id: null, error: rpcError(error) })}\n`;
  const head = [
    `HTTP/1.1 ${STATUS[error.code] ?? "500 Internal Server Error"}`,
    "Content-Type: application/json; charset=utf-8",
    `Content-Length: ${Buffer.byteLength(body)}`,
    `X-Request-Id: ${requestId}`,
    "Connection: close",
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`, () => socket.destroy());
}
