import type { IncomingMessage } from "node:http";
import { type Api, type BelfryError, type Caller, type DependencyContainer, internal, TOKENS } from "belfry";
import { type BodyLimits, readBody } from "./body.ts";
import { faults, statusOf, withStatus } from "./errors.ts";
import { cameFrom, isReading } from "./host-guard.ts";
import type { Arrival, HttpContext, HttpServer, Identifier, Mount, Upgrade } from "./http-server.ts";
import { Running } from "./running.ts";

const PATH = /^\/(?:[A-Za-z0-9._~!$&'()+,;=:@%-]+(?:\/[A-Za-z0-9._~!$&'()+,;=:@%-]+)*)?$/;
const DEFAULT_LIMITS: BodyLimits = { limit: 1_048_576, timeout: 10_000 };

/** What is mounted at a path. */
export interface Mounted {
  readonly path: string;
  /** Whether all paths below it are its own, too. */
  readonly below: boolean;
  readonly mount: Mount;
  /** For the header `Allow`. */
  readonly allow: readonly string[];
  readonly running: Running;
  leaving: Promise<void> | undefined;
}

/** A server that listens, as far as the mounts must know it. */
export interface Listener {
  readonly url: string;
  readonly grace: number;
}

/**
 * What is mounted where. Lives as long as the master, so that plugins can mount whether the server
 * has started already or not.
 */
export class Mounts implements HttpServer {
  readonly #container: DependencyContainer;
  readonly #exact = new Map<string, Mounted>();
  readonly #below = new Map<string, Mounted>();
  readonly #upgrades = new Map<string, (upgrade: Upgrade) => void>();
  readonly #listeners = new Set<Listener>();
  readonly #limits = new WeakMap<IncomingMessage, BodyLimits>();
  readonly #identifiers: Identifier[] = [];
  #api: Api | undefined;

  constructor(container: DependencyContainer) {
    this.#container = container;
  }

  get url(): string | undefined {
    for (const { url } of this.#listeners) return url;
    return undefined;
  }

  mount(path: string, mount: Mount): () => Promise<void> {
    const below = path.endsWith("/*");
    const base = below ? path.slice(0, -2) || "/" : path;
    if (!PATH.test(base)) throw faults.pathInvalid(path);
    const paths = below ? this.#below : this.#exact;
    const other = paths.get(base);
    if (other !== undefined) throw faults.pathTaken(path, other.mount.title);
    const mounted: Mounted = {
      path,
      below,
      mount,
      allow: allowed(mount.methods),
      running: new Running(),
      leaving: undefined,
    };
    paths.set(base, mounted);
    return () => {
      mounted.leaving ??= this.#leave(mounted).finally(() => {
        paths.delete(base);
      });
      return mounted.leaving;
    };
  }

  onUpgrade(path: string, handler: (upgrade: Upgrade) => void): () => void {
    if (!PATH.test(path)) throw faults.pathInvalid(path);
    if (this.#upgrades.has(path)) throw faults.pathTaken(path, "another handler of upgrades");
    this.#upgrades.set(path, handler);
    return () => {
      if (this.#upgrades.get(path) === handler) this.#upgrades.delete(path);
    };
  }

  /** Whether the master can do its work. */
  async ready(): Promise<boolean> {
    this.#api ??= this.#container.resolve(TOKENS.api);
    const answer = await this.#api.call("master.ready", {}, internal).catch(() => undefined);
    return (answer as { ready?: boolean } | undefined)?.ready === true;
  }

  async caller(ctx: Asked): Promise<Caller> {
    const header = ctx.req.headers.authorization;
    this.#api ??= this.#container.resolve(TOKENS.api);
    const known =
      header !== undefined
        ? await this.#authenticate(this.#api, header, arrivalOf(ctx))
        : this.#identifiers.length > 0 && (await this.#identified(arrivalOf(ctx)));
    const caller = known || this.#api.anonymous();
    return { ...caller, origin: ctx.ip ?? ctx.req.socket.remoteAddress };
  }

  credentials(ctx: Asked): string {
    const { authorization = null } = ctx.req.headers;
    const arrival = arrivalOf(ctx);
    // What counts in a request of this server's pages counts for nothing there.
    const foreign = isReading(ctx.req) && cameFrom(ctx.req, arrival.host) === "theirs";
    const known = this.#identifiers.map((one) => [one.name, (!foreign && one.credentials(arrival)) || null]);
    return JSON.stringify([authorization, ...known]);
  }

  requireOwnPage({ req, host }: Pick<HttpContext, "req" | "host">): void {
    const from = cameFrom(req, host);
    if (from === "theirs") throw faults.originRefused(req.headers.origin ?? "");
    if (from === "unsaid") throw faults.originMissing();
  }

  identify(identifier: Identifier): () => void {
    this.#identifiers.push(identifier);
    return () => {
      const at = this.#identifiers.indexOf(identifier);
      if (at >= 0) this.#identifiers.splice(at, 1);
    };
  }

  async #identified(arrival: Arrival): Promise<Caller | undefined> {
    const { req, host } = arrival;
    const from = cameFrom(req, host);
    if (from === "theirs" && isReading(req)) return undefined;
    for (const identifier of [...this.#identifiers]) {
      const caller = await identifier.caller(arrival);
      if (caller === undefined) continue;
      if (caller.kind !== "anonymous") {
        if (from === "theirs") throw faults.originRefused(req.headers.origin ?? "");
        if (from === "unsaid") throw faults.originMissing();
      }
      return caller;
    }
    return undefined;
  }

  body(ctx: Pick<HttpContext, "req" | "res">, limit?: number): Promise<Buffer> {
    const limits = this.#limits.get(ctx.req) ?? DEFAULT_LIMITS;
    return readBody(ctx.req, ctx.res, limit === undefined ? limits : { ...limits, limit });
  }

  withStatus(error: BelfryError, status: number): BelfryError {
    return withStatus(error, status);
  }

  statusOf(error: BelfryError): number {
    return statusOf(error);
  }

  /** All mounts, in order of path. */
  list(): Mounted[] {
    return [...this.#exact.values(), ...this.#below.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  /** Who answers at a path: who has exactly this one, or else the nearest above it. */
  at(path: string): Mounted | undefined {
    const exact = this.#exact.get(path);
    if (exact !== undefined || this.#below.size === 0) return exact;
    for (let base = path; base !== ""; base = base.slice(0, base.lastIndexOf("/"))) {
      const below = this.#below.get(base);
      if (below !== undefined) return below;
    }
    return this.#below.get("/");
  }

  upgradeAt(path: string): ((upgrade: Upgrade) => void) | undefined {
    return this.#upgrades.get(path);
  }

  /** The limits of the server that a request came to. */
  limit(req: IncomingMessage, limits: BodyLimits): void {
    this.#limits.set(req, limits);
  }

  /** Says that a server listens; returns how to say that it does no more. */
  attach(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async #leave(mounted: Mounted): Promise<void> {
    const grace = Math.max(0, ...[...this.#listeners].map((listener) => listener.grace));
    await mounted.running.drain(grace, faults.stopping());
  }

  async #authenticate(api: Api, header: string, { req, host }: Arrival): Promise<Caller> {
    // A browser that was given the password of Basic once sends it by itself, as it does a cookie.
    if (/^basic /i.test(header) && !isReading(req) && cameFrom(req, host) === "theirs")
      throw faults.originRefused(req.headers.origin ?? "");
    const token = tokenIn(header);
    let caller = token === undefined ? undefined : await api.authenticate(token);
    for (const identifier of [...this.#identifiers]) {
      if (caller !== undefined || token === undefined) break;
      caller = await identifier.token?.(token);
    }
    // Never anonymous instead: who shows a token means to be somebody.
    if (caller === undefined) throw faults.tokenRefused();
    return caller;
  }
}

/** As much of a request as its caller is known by. */
type Asked = Pick<HttpContext, "req"> & Partial<Pick<HttpContext, "host" | "ip" | "protocol">>;

function arrivalOf({ req, host, ip, protocol }: Asked): Arrival {
  return {
    req,
    host: host ?? req.headers.host ?? "",
    ip: ip ?? req.socket.remoteAddress ?? "",
    secure: protocol === "https",
  };
}

/**
 * The token of a header `Authorization`: that of Bearer, or the password of Basic, which is all that
 * readers of feeds can send.
 */
function tokenIn(header: string): string | undefined {
  const basic = /^basic +([A-Za-z0-9+/]{1,1024}={0,2})$/i.exec(header)?.[1];
  const given =
    basic === undefined
      ? /^bearer +(.*)$/i.exec(header)?.[1]
      : /^[^:]*:(.*)$/s.exec(Buffer.from(basic, "base64").toString())?.[1];
  return given !== undefined && /^[A-Za-z0-9._~+/=-]{1,512}$/.test(given) ? given : undefined;
}

function allowed(methods: readonly string[] = ["GET"]): readonly string[] {
  const all = new Set(methods.map((method) => method.toUpperCase()));
  if (all.has("GET")) all.add("HEAD");
  return [...all];
}
