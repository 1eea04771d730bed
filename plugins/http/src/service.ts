import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, isIP, type Socket } from "node:net";
import { type BelfryError, type DependencyContainer, type Logger, type Service, TOKENS } from "belfry";
import { application } from "./application.ts";
import { expectsContinue } from "./body.ts";
import { faults } from "./errors.ts";
import { hostGuard } from "./host-guard.ts";
import type { Mounts } from "./mounts.ts";
import type { HttpOptions } from "./options.ts";
import { rawRefusal } from "./refusal.ts";
import { Running } from "./running.ts";
import { upgrades } from "./upgrades.ts";

/** Listens, and ends in order: no new connections, running requests to their end, then nothing. */
export class HttpService implements Service {
  readonly role = "api";
  readonly #options: HttpOptions;
  readonly #container: DependencyContainer;
  readonly #mounts: () => Mounts;
  #running: { stop(): Promise<void> } | undefined;

  constructor(options: HttpOptions, container: DependencyContainer, mounts: () => Mounts) {
    this.#options = options;
    this.#container = container;
    this.#mounts = mounts;
  }

  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const log = this.#container.resolve(TOKENS.logger).child({ plugin: "@belfry/http" });
    this.#running = await listen(this.#options, this.#mounts(), log, signal);
  }

  async stop(): Promise<void> {
    await this.#running?.stop();
  }

  describe(): string[] {
    const mounts = this.#mounts();
    const { url } = mounts;
    // Who has the page at the top tells of it.
    return url === undefined || mounts.at("/") !== undefined ? [] : [`${url}/ says what is mounted where.`];
  }
}

async function listen(options: HttpOptions, mounts: Mounts, log: Logger, signal: AbortSignal) {
  const running = new Running();
  const sockets = new Set<Socket>();
  /** What is being answered on a connection. */
  const answers = new WeakMap<Socket, ServerResponse>();
  const guard = hostGuard(options);
  let stopped: Promise<void> | undefined;
  const app = application({ options, mounts, guard, log, running, stopping: () => stopped !== undefined });

  const answer = (req: IncomingMessage, res: ServerResponse) => {
    answers.set(req.socket, res);
    void app(req, res);
  };

  const server = createServer(
    {
      maxHeaderSize: options.headerLimit,
      headersTimeout: options.headersTimeout,
      requestTimeout: Math.max(300_000, options.headersTimeout + options.bodyTimeout),
      connectionsCheckingInterval: Math.min(5_000, Math.max(100, options.headersTimeout / 2)),
      keepAliveTimeout: options.keepAliveTimeout,
      // The guard refuses a missing Host itself, with words.
      requireHostHeader: false,
      keepAlive: true,
      shouldUpgradeCallback: (req: IncomingMessage) => mounts.upgradeAt(pathOf(req)) !== undefined,
    } as Parameters<typeof createServer>[0],
    answer,
  );
  server.maxHeadersCount = 200;
  server.maxConnections = options.maxConnections;
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  server.on("checkContinue", (req, res) => {
    expectsContinue(req);
    answer(req, res);
  });
  server.on("upgrade", upgrades({ mounts, guard, log, proxy: options.proxy, stopping: () => stopped !== undefined }));
  server.timeout = options.stallTimeout;
  server.on("timeout", (socket) => {
    const res = answers.get(socket);
    // Silence is fine while a handler is thinking: long polls, event streams.
    const thinking = res !== undefined && !res.writableEnded && res.writableLength === 0;
    if (!thinking) socket.destroy();
  });
  let dropsTold = 0;
  server.on("drop", () => {
    const now = performance.now();
    if (dropsTold > 0 && now - dropsTold < 60_000) return;
    dropsTold = now;
    log.warn({ connections: options.maxConnections }, "too many connections; further ones are closed");
  });
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    const begun =
      answers.get(socket as Socket)?.headersSent === true && answers.get(socket as Socket)?.writableFinished === false;
    if (error.code === "ECONNRESET" || !socket.writable || begun) return void socket.destroy();
    const status = BROKEN_STATUS[error.code ?? ""] ?? 400;
    socket.end(rawRefusal(faults.requestBroken(status), randomUUID(), status), () => socket.destroy());
  });

  await bind(server, options);
  server.on("error", (error) => log.error({ error: error.message }, "the HTTP server failed"));
  const url = urlOf(server.address() as AddressInfo);
  const detach = mounts.attach({ url, grace: options.grace });
  const close = async () => {
    detach();
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeIdleConnections();
    const left = await running.drain(options.grace, faults.stopping(), () => {
      log.warn(
        { requests: running.size },
        "requests were still running when the time of grace was over; they are cut off",
      );
      for (const socket of sockets) socket.destroy();
    });
    // Those that were upgraded, and those that have not sent a request yet.
    for (const socket of sockets) socket.destroy();
    await closed;
    if (left > 0) log.warn({ requests: left }, "handlers of requests do not end");
    else log.debug({ url }, "the HTTP server has stopped");
  };
  const stop = () => {
    stopped ??= close();
    return stopped;
  };
  if (signal.aborted) {
    await stop();
    signal.throwIfAborted();
  }
  log.info({ url }, "the HTTP server listens");
  if (!isLoopback(options.host)) {
    log.warn(
      { host: options.host },
      "the HTTP server can be reached from other machines, without encryption: put a proxy with TLS before it",
    );
  }
  return { stop };
}

const BROKEN_STATUS: Record<string, number> = {
  HPE_HEADER_OVERFLOW: 431,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
};

function bind(server: Server, { host, port }: HttpOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException) => reject(listenFault(error, host, port));
    server.once("error", onError);
    server.listen({ host, port }, () => {
      server.off("error", onError);
      resolve();
    });
  });
}

function listenFault(error: NodeJS.ErrnoException, host: string, port: number): BelfryError {
  switch (error.code) {
    case "EADDRINUSE":
      return faults.portInUse(host, port, error);
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
    case "EAI_AGAIN":
    case "EINVAL":
      return faults.hostUnknown(host, error);
    case "EACCES":
      return faults.portForbidden(port, error);
    default:
      return faults.listenFailed(host, port, error);
  }
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}

/** How to reach a server that listens at an address; at all addresses, how to reach it from here. */
function urlOf({ address, port }: AddressInfo): string {
  const host = address === "0.0.0.0" ? "127.0.0.1" : address === "::" ? "::1" : address;
  return `http://${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
}

const pathOf = (req: IncomingMessage) => (req.url ?? "").split("?", 1)[0] ?? "";
