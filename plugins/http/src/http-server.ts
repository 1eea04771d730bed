import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { BelfryError, Caller, InjectionToken } from "belfry";

/**
 * The HTTP server of the master, for whoever wants to answer at a path. Resolve it in a service's
 * `start`, from any plugin's container; it is there as soon as this plugin is loaded.
 */
export const HTTP_SERVER = Symbol.for("belfry.http.server") as InjectionToken<HttpServer>;

/**
 * What this package puts beside Koa's own members: `ctx.state`.
 */
export interface HttpState {
  /** Sent back as `X-Request-Id`; taken from the request if it brought a sane one. */
  readonly requestId: string;
  /** Aborts when the client has gone, or when the server stops and the time of grace is over. */
  readonly signal: AbortSignal;
}

/** Koa's context: the members that a mounted handler may count on. */
export interface HttpContext {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly method: string;
  /** The path of the request as it was sent, percent-encoding and all. */
  readonly path: string;
  /** Without the question mark. */
  readonly querystring: string;
  readonly query: Record<string, string | string[] | undefined>;
  readonly headers: IncomingMessage["headers"];
  /** Host and port as the client named them; behind a proxy, if `proxy` is set, the outer ones. */
  readonly host: string;
  readonly protocol: string;
  readonly ip: string;
  readonly state: HttpState;
  /** A header of the request; `""` if it is missing. */
  get(header: string): string;
  set(header: string, value: string): void;
  status: number;
  /** Media type of the answer. */
  type: string;
  /** A string, Buffer, stream, or a value to be sent as JSON; `null` for none. */
  body: unknown;
  /** `false` if the handler writes to `res` itself. */
  respond?: boolean;
  /** The best of these media types for the client, or `false`. */
  accepts(...types: string[]): string | false;
}

export interface Mount {
  /** A few words for the list at `/`: "JSON-RPC 2.0". */
  title: string;
  /** One sentence for the list at `/`. */
  describe: string;
  /** What is allowed; anything else is answered with 405. Default `["GET"]`. GET includes HEAD; OPTIONS is answered by the server. */
  methods?: readonly string[];
  /**
   * Answers one request, by setting `ctx.status` and `ctx.body`. Called for any number of requests
   * at once, after Host and Origin have been checked. When it throws a BelfryError the client gets
   * its text, with a status by its code (500 if that is not known here, see
   * {@link HttpServer.withStatus}); anything else is logged and answered as 500 without words
   * of its own. Must not wait without listening to `ctx.state.signal`.
   */
  handler(ctx: HttpContext): Promise<void> | void;
  /**
   * How a refusal reads at this path, for a protocol with a form of its own: JSON text, or text of
   * another type. Used for everything that is refused here, by the server too; status and other headers
   * are the server's. Must not throw.
   */
  errorBody?(error: BelfryError, requestId: string): string | { type: string; body: string };
}

/** A request to leave HTTP for another protocol. Host and Origin have been checked. */
export interface Upgrade {
  readonly req: IncomingMessage;
  readonly socket: Duplex;
  /** What the client has sent already, after the head. */
  readonly head: Buffer;
  readonly requestId: string;
  /** As {@link HttpServer.caller}. */
  caller(): Promise<Caller>;
  /** As {@link HttpServer.credentials}. */
  readonly credentials: string;
}

/** A request, for who says who sent it. */
export interface Arrival {
  readonly req: IncomingMessage;
  /** Host and port as the client named them; behind a proxy, if `proxy` is set, the outer ones. */
  readonly host: string;
  /** The client's address; behind a proxy, if `proxy` is set, as the proxy has it. */
  readonly ip: string;
  /** Whether the client came by https; behind a proxy, if `proxy` is set, to the proxy. */
  readonly secure: boolean;
}

/** Somebody who knows callers by other things than tokens: by a cookie, or by what a proxy says. */
export interface Identifier {
  readonly name: string;
  /**
   * Who sent a request that has no `Authorization`; `undefined` if this one cannot tell. Called for any number of
   * requests at once, and again now and then for connections that stay open. A BelfryError refuses the request.
   */
  caller(arrival: Arrival): Promise<Caller | undefined>;
  /**
   * All that `caller` goes by in this request, `undefined` if there is nothing: requests with the same have the
   * same caller.
   */
  credentials(arrival: Arrival): string | undefined;
  /** The owner of a token that the API does not know, such as `belfry_...`; `undefined` if this one does not either. */
  token?(token: string): Promise<Caller | undefined>;
}

export interface HttpServer {
  /** Where it listens, `http://127.0.0.1:8010`; `undefined` before `http()` has started and after it has stopped. */
  readonly url: string | undefined;
  /**
   * Hands a path over to a handler: `"/rpc"` is that path only, `"/json/*"` is `/json` and all below
   * it; the longest wins, and `"/*"` is all that nobody else has but `/health` and `/ready`. May be
   * called before the server listens. Throws `BELFRY_HTTP_PATH_TAKEN`.
   *
   * Returns how to give it back: from that call on requests there get 503, until the running ones
   * have ended or, after the server's time of grace, were aborted; then it resolves. Harmless when
   * called twice.
   */
  mount(path: string, mount: Mount): () => Promise<void>;
  /**
   * Hands over requests that ask for an upgrade (WebSocket) at exactly this path. The handler owns
   * the socket; the server destroys it if it is still open at the end of its stop. Returns how to
   * give the path back.
   */
  onUpgrade(path: string, handler: (upgrade: Upgrade) => void): () => void;
  /**
   * Who sent the request: the owner of its `Authorization: Bearer` token, or of the token that is the
   * password of `Authorization: Basic` (the user name does not count), or the anonymous caller if it
   * has no such header. Throws `BELFRY_HTTP_TOKEN_REFUSED` for any other.
   *
   * Without that header those who were given to {@link identify} are asked before. What a browser sends by itself
   * never counts for a page of another site: such a request is refused, or anonymous if it only reads. With Basic,
   * which a browser sends by itself too, such a request is refused if it may change something.
   */
  caller(ctx: HttpContext): Promise<Caller>;
  /** All that {@link caller} goes by in a request: requests with the same have the same caller. Not to be shown. */
  credentials(ctx: Pick<HttpContext, "req"> & Partial<Pick<HttpContext, "host" | "ip" | "protocol">>): string;
  /**
   * Throws unless a request comes from a page of this server: for what must not be done by others in a reader's name,
   * whoever he is, such as signing him in. `BELFRY_HTTP_ORIGIN_REFUSED` or `BELFRY_HTTP_ORIGIN_MISSING`.
   */
  requireOwnPage(ctx: Pick<HttpContext, "req" | "host">): void;
  /**
   * Lets somebody say who sends requests without `Authorization`: asked in the order in which they came, the first
   * that can tell counts. If it tells of somebody who is not anonymous, the request has to come from a page of this
   * server: of another site's it is refused (`BELFRY_HTTP_ORIGIN_REFUSED`), and so is one that may change something
   * and does not say where it comes from (`BELFRY_HTTP_ORIGIN_MISSING`). Parts of other sites' pages that only read
   * are not asked about; they are anonymous. Returns how to end it.
   */
  identify(identifier: Identifier): () => void;
  /**
   * The body, read whole, within the server's limits, or within this one in bytes.
   * Throws `BELFRY_HTTP_BODY_TOO_LARGE`, `BELFRY_HTTP_BODY_SLOW`, `BELFRY_HTTP_BODY_ENCODED` or
   * `BELFRY_HTTP_BODY_BROKEN`. To be called once a request.
   */
  body(ctx: HttpContext, limit?: number): Promise<Buffer>;
  /** Gives the error that a handler is about to throw an HTTP status of its own; returns the error. */
  withStatus(error: BelfryError, status: number): BelfryError;
  /** The HTTP status that an error is answered with: its own, or that of its code. */
  statusOf(error: BelfryError): number;
}
