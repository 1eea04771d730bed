import "reflect-metadata";
import { request as httpRequest, type IncomingHttpHeaders, type RequestOptions } from "node:http";
import { connect, type Socket } from "node:net";
import httpPlugin, { HTTP_SERVER, type HttpServer, http } from "@belfry/http";
import {
  type Api,
  type ApiMethod,
  BelfryError,
  type Caller,
  type CallerFacts,
  type CreateContext,
  type Json,
  type Logger,
  type PartDefinition,
  type Plugin,
  type PluginHost,
  type Scope,
  type Service,
  systemClock,
  TOKENS,
  z,
} from "belfry";
import { type DependencyContainer, instanceCachingFactory, container as rootContainer } from "tsyringe";

/** An API of a few methods that checks as the real one does. */
export class FakeApi implements Api {
  readonly #methods = new Map<string, ApiMethod>();
  /** Names of what was called, with parameters, in order. */
  readonly calls: { name: string; params: unknown }[] = [];
  anonymousScopes: Scope[] = ["read"];
  readonly tokens = new Map<string, Caller>([["belfry_right", callerOf("ann", "token", ["read", "control"])]]);

  constructor(methods: ApiMethod[] = []) {
    for (const method of methods) this.#methods.set(method.name, method);
  }

  methods() {
    return [...this.#methods.values()];
  }

  async call(name: string, params: unknown, caller: Caller, signal = new AbortController().signal): Promise<Json> {
    const method = this.#methods.get(name);
    if (method === undefined) throw fault("BELFRY_METHOD_UNKNOWN", `There is no method "${name}".`);
    if (!caller.scopes.has(method.permission)) throw fault("BELFRY_FORBIDDEN", `"${caller.name}" may not call this.`);
    const parsed = method.params.safeParse(params);
    if (!parsed.success) throw fault("BELFRY_PARAMS_INVALID", "The parameters cannot be used.");
    this.calls.push({ name, params: parsed.data });
    return (await method.call(parsed.data, { caller, signal })) as Json;
  }

  async authenticate(token: string) {
    return this.tokens.get(token);
  }

  callerOf({ name, kind, scopes }: CallerFacts) {
    return callerOf(name, kind, [...scopes]);
  }

  anonymous() {
    return callerOf("anonymous", "anonymous", this.anonymousScopes);
  }
}

export function fault(code: string, what: string): BelfryError {
  return new BelfryError(code, { what, why: "Because of the test.", fix: "Change the test." });
}

function callerOf(name: string, kind: Caller["kind"], scopes: Scope[]): Caller {
  return { name, kind, scopes: new Set(scopes), visible: null };
}

export function method<S extends z.ZodType>(
  name: string,
  params: S,
  call: (params: z.output<S>, signal: AbortSignal) => unknown,
  permission: Scope = "read",
): ApiMethod {
  return {
    name,
    permission,
    summary: name,
    params,
    result: z.any(),
    example: {},
    call: async (input, ctx) => call(input as z.output<S>, ctx.signal),
  };
}

export interface LogLine {
  level: string;
  fields: Record<string, unknown>;
  message: string;
}

function memoryLog(lines: LogLine[], bound: object = {}): Logger {
  const write = (level: string) => (fields: object, message: string) => {
    lines.push({ level, fields: { ...bound, ...fields }, message });
  };
  return {
    debug: write("debug"),
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
    child: (fields) => memoryLog(lines, { ...bound, ...fields }),
  };
}

/** As much of a master as services need: a container, the plugins registered in it, services started in order. */
export class World implements AsyncDisposable {
  readonly api: FakeApi;
  readonly log: LogLine[] = [];
  readonly container: DependencyContainer = rootContainer.createChildContainer();
  readonly services: Service[] = [];

  constructor(api = new FakeApi(), plugins: Plugin[] = [httpPlugin]) {
    this.api = api;
    this.container.register(TOKENS.clock, { useValue: systemClock });
    this.container.register(TOKENS.installation, { useValue: { title: "Belfry", master: "main", version: "0" } });
    this.container.register(TOKENS.api, { useValue: api });
    this.container.register(TOKENS.logger, { useValue: memoryLog(this.log) });
    for (const plugin of plugins) {
      plugin.register?.({
        container: this.container.createChildContainer(),
        methods: { add: () => undefined },
        commands: { add: () => undefined },
        share: (token: symbol, make: (container: DependencyContainer) => unknown) =>
          this.container.register(token, { useFactory: instanceCachingFactory(make) }),
      } as unknown as PluginHost);
    }
  }

  get server(): HttpServer {
    return this.container.resolve(HTTP_SERVER);
  }

  get url(): string {
    return this.server.url ?? "";
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  /** Makes a service as the host does: options checked, then created in a container of its own. */
  create<S extends z.ZodType>(part: { definition: PartDefinition<"service", S> }, options: z.input<S>): Service {
    const checked = part.definition.options.parse(options);
    return part.definition.create(checked, { container: this.container.createChildContainer() } as CreateContext);
  }

  async start<S extends z.ZodType>(
    part: { definition: PartDefinition<"service", S> },
    options: z.input<S>,
  ): Promise<Service> {
    const service = this.create(part, options);
    await service.start(new AbortController().signal);
    this.services.push(service);
    return service;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const service of this.services.reverse()) await service.stop();
    await this.container.dispose();
  }
}

/** A world with a server at any port. */
export async function serving(options: z.input<typeof http.definition.options> = {}, api?: FakeApi): Promise<World> {
  const world = new World(api);
  await world.start(http, { port: 0, grace: 200, ...options });
  return world;
}

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

/** One request on a connection of its own; every header is the test's. */
export function ask(url: string, options: RequestOptions & { body?: string | Buffer } = {}): Promise<Answer> {
  const { body, ...rest } = options;
  return new Promise((resolve, reject) => {
    const req = httpRequest(url, { agent: false, timeout: 10_000, ...rest }, (res) => {
      const chunks: Buffer[] = [];
      res.on("data", (chunk: Buffer) => chunks.push(chunk));
      res.on("error", reject);
      res.on("end", () =>
        resolve({ status: res.statusCode ?? 0, headers: res.headers, body: Buffer.concat(chunks).toString() }),
      );
    });
    req.on("timeout", () => req.destroy(new Error("no answer in 10 s")));
    req.on("error", reject);
    req.end(body);
  });
}

/** A bare connection: what was received so far, and its end. */
export class Line {
  readonly socket: Socket;
  received = "";
  readonly closed: Promise<void>;

  constructor(port: number, host = "127.0.0.1") {
    this.socket = connect({ port, host });
    this.socket.on("data", (chunk) => {
      this.received += chunk.toString("latin1");
    });
    this.socket.on("error", () => {});
    this.closed = new Promise((resolve) => this.socket.once("close", () => resolve()));
  }

  send(text: string | Buffer): this {
    this.socket.write(text);
    return this;
  }

  /** Waits until what was received matches. */
  async until(pattern: RegExp): Promise<string> {
    await eventually(
      () => pattern.test(this.received),
      `no ${pattern} in ${JSON.stringify(this.received.slice(0, 500))}`,
    );
    return this.received;
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}

/** The lines with which a client asks for a WebSocket; more of them end in CRLF each. */
export function webSocketWish(path: string, more = "", host = "localhost"): string {
  return `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n${more}\r\n`;
}

/** Waits until something is so, at most 10 s. */
export async function eventually(check: () => boolean, what = "it never became so"): Promise<void> {
  const end = Date.now() + 10_000;
  while (!check()) {
    if (Date.now() > end) throw new Error(what);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** What a promise is rejected with; fails if it is not. */
export async function rejects(promise: Promise<unknown>): Promise<unknown> {
  let value: unknown;
  try {
    value = await promise;
  } catch (error) {
    return error;
  }
  throw new Error(`expected a rejection, got ${JSON.stringify(value)}`);
}

export { http };
