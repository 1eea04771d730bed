import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { BelfryError, type Logger, messageOf } from "belfry";
import Koa from "koa";
import { discardBody } from "./body.ts";
import { faults } from "./errors.ts";
import type { HostGuard } from "./host-guard.ts";
import type { HttpContext, HttpState } from "./http-server.ts";
import { indexPage } from "./index-page.ts";
import type { Mounted, Mounts } from "./mounts.ts";
import type { HttpOptions } from "./options.ts";
import { refuse } from "./refusal.ts";
import type { Exchange, Running } from "./running.ts";

const SANE_ID = /^[A-Za-z0-9][A-Za-z0-9._~-]{0,63}$/;
const GONE = new Set(["ECONNRESET", "EPIPE", "ECONNABORTED", "ERR_STREAM_PREMATURE_CLOSE", "ERR_STREAM_DESTROYED"]);

/** The number of a request: the client's own if it is harmless to repeat. */
export function requestIdOf(req: IncomingMessage): string {
  const id = req.headers["x-request-id"];
  return typeof id === "string" && SANE_ID.test(id) ? id : randomUUID();
}

export interface ApplicationParts {
  options: HttpOptions;
  mounts: Mounts;
  guard: HostGuard;
  log: Logger;
  running: Running;
  /** Whether the server has begun to stop. */
  stopping(): boolean;
}

/** The listener of the HTTP server: everything between a request's head and the handler at its path. */
export function application(parts: ApplicationParts): (req: IncomingMessage, res: ServerResponse) => Promise<void> {
  const { options, mounts, guard, log, running } = parts;
  const limits = { limit: options.bodyLimit, timeout: options.bodyTimeout };

  async function answer(ctx: HttpContext): Promise<void> {
    const exchange = new RunningExchange(ctx, running, log);
    (ctx as { state: HttpState }).state = exchange;
    mounts.limit(ctx.req, limits);
    ctx.res.setHeader("X-Request-Id", exchange.requestId);
    ctx.res.setHeader("X-Content-Type-Options", "nosniff");
    try {
      if (parts.stopping()) throw faults.stopping();
      if (!(ctx.req.url ?? "").startsWith("/") && ctx.req.url !== "*") throw faults.targetRefused();
      guard.check(ctx.req, options.proxy ? ctx.host : (ctx.req.headers.host ?? ""));
      const origin = guard.allowed(ctx.req);
      if (origin !== undefined) openTo(ctx, origin);
      await route(ctx, exchange);
    } catch (error) {
      fail(ctx, error);
    } finally {
      if (parts.stopping() && !ctx.res.headersSent) ctx.res.setHeader("Connection", "close");
      exchange.handled();
    }
  }

  async function route(ctx: HttpContext, exchange: RunningExchange): Promise<void> {
    const mounted = whoIsAt(ctx.path);
    if (ctx.method === "OPTIONS") return options_(ctx, mounted);
    if (mounted === undefined) {
      const page = OWN_PAGES.get(ctx.path);
      if (page === undefined) throw faults.pathUnknown(ctx.path);
      if (ctx.method === "GET" || ctx.method === "HEAD") return page(ctx, mounts);
      throw methodRefused(ctx, ["GET", "HEAD"]);
    }
    if (!mounted.allow.includes(ctx.method)) throw methodRefused(ctx, mounted.allow);
    if (mounted.leaving !== undefined) throw faults.stopping();
    exchange.belongTo(mounted);
    await mounted.mount.handler(ctx);
  }

  /** What is mounted at all paths takes `/` from the server, but neither `/health` nor `/ready`. */
  function whoIsAt(path: string): Mounted | undefined {
    const mounted = mounts.at(path);
    return mounted?.path === "/*" && path !== "/" && OWN_PAGES.has(path) ? undefined : mounted;
  }

  function options_(ctx: HttpContext, mounted: Mounted | undefined): void {
    if (mounted === undefined && !OWN_PAGES.has(ctx.path) && ctx.path !== "*") throw faults.pathUnknown(ctx.path);
    ctx.set("Allow", (mounted?.allow ?? ["GET", "HEAD"]).join(", "));
    ctx.status = 204;
  }

  function fail(ctx: HttpContext, error: unknown): void {
    // Half an answer cannot be taken back; that it breaks off tells the client enough.
    if (ctx.res.headersSent) {
      if (!ctx.res.writableEnded) ctx.res.destroy();
      if (!ctx.state.signal.aborted)
        log.error({ requestId: ctx.state.requestId, error: messageOf(error) }, "an answer broke off");
      return;
    }
    if (!BelfryError.is(error) && !ctx.state.signal.aborted) {
      const stack = error instanceof Error ? error.stack : undefined;
      log.error({ requestId: ctx.state.requestId, path: ctx.path, error: messageOf(error), stack }, "a request failed");
    }
    const shown = BelfryError.is(error) ? error : faults.internal(ctx.state.requestId);
    refuse(ctx, shown, whoIsAt(ctx.path)?.mount.errorBody);
    discardBody(ctx.req);
  }

  const app = new Koa({ proxy: options.proxy, maxIpsCount: 1 });
  app.use(answer);
  app.on("error", (error) => {
    const code = (error as NodeJS.ErrnoException | undefined)?.code ?? "";
    if (GONE.has(code)) log.debug({ error: messageOf(error) }, "a client has gone");
    else
      log.error(
        { error: messageOf(error), stack: error instanceof Error ? error.stack : undefined },
        "an answer failed",
      );
  });
  return app.callback();
}

const OWN_PAGES = new Map<string, (ctx: HttpContext, mounts: Mounts) => void | Promise<void>>([
  ["/", indexPage],
  [
    "/health",
    (ctx) => {
      ctx.set("Content-Type", "text/plain; charset=utf-8");
      ctx.set("Cache-Control", "no-store");
      ctx.body = "ok\n";
    },
  ],
  [
    "/ready",
    async (ctx, mounts) => {
      ctx.set("Content-Type", "text/plain; charset=utf-8");
      ctx.set("Cache-Control", "no-store");
      const ready = await mounts.ready();
      ctx.status = ready ? 200 : 503;
      // Why not is told to those who may ask `master.ready`.
      ctx.body = ready ? "ready\n" : "not ready\n";
    },
  ],
]);

function methodRefused(ctx: HttpContext, allow: readonly string[]): BelfryError {
  ctx.set("Allow", allow.join(", "));
  return faults.methodRefused(ctx.method, ctx.path, allow.join(", "));
}

/** Lets the page of an allowed site read the answer, and ask with a token. */
function openTo(ctx: HttpContext, origin: string): void {
  ctx.set("Access-Control-Allow-Origin", origin);
  ctx.set("Access-Control-Expose-Headers", "X-Request-Id");
  ctx.set("Vary", "Origin");
  if (ctx.method !== "OPTIONS") return;
  ctx.set("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE");
  ctx.set("Access-Control-Allow-Headers", "Authorization, Content-Type, X-Request-Id");
  ctx.set("Access-Control-Max-Age", "600");
}

/** One request: it runs until its handler has settled and its connection is done with the answer. */
class RunningExchange implements HttpState, Exchange {
  readonly requestId: string;
  readonly #controller = new AbortController();
  readonly #running: Running;
  #mounted: Mounted | undefined;
  #left = 2;

  constructor(ctx: HttpContext, running: Running, log: Logger) {
    this.requestId = requestIdOf(ctx.req);
    this.#running = running;
    running.add(this);
    const { res, method, path } = ctx;
    const started = performance.now();
    res.once("close", () => {
      if (!res.writableFinished) this.#controller.abort(new Error("The client has gone."));
      const ms = Math.round((performance.now() - started) * 10) / 10;
      log.debug({ requestId: this.requestId, method, path, status: res.statusCode, ms }, "request");
      this.#ended();
    });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  abort(reason: Error): void {
    this.#controller.abort(reason);
  }

  belongTo(mounted: Mounted): void {
    this.#mounted = mounted;
    mounted.running.add(this);
  }

  handled(): void {
    this.#ended();
  }

  #ended(): void {
    this.#left -= 1;
    if (this.#left > 0) return;
    this.#running.delete(this);
    this.#mounted?.running.delete(this);
  }
}
