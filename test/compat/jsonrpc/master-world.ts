import { HTTP_SERVER, http } from "@belfry/http";
import { jsonrpc } from "@belfry/jsonrpc";
import { force } from "@belfry/schedulers";
import { fakeWorker, step, type TestMaster, testMaster, until, within } from "@belfry/testkit";
import type { Config, Json } from "belfry";

export interface MasterWorld extends AsyncDisposable {
  kit: TestMaster;
  /** `http://127.0.0.1:1234` */
  url: string;
  /** `ws://127.0.0.1:1234/rpc` */
  wsUrl: string;
  port: number;
  /** Writes to the log of the build that runs; started by `build`. */
  log(text: string): Promise<void>;
  /** Starts a build of "runtests", which runs until `endBuild`. */
  build(): Promise<number>;
  endBuild(): void;
  token(name: string, scopes?: string[], narrowed?: Record<string, string[]>): Promise<string>;
}

interface WorldOptions {
  options?: Parameters<typeof jsonrpc>[0];
  config?: Partial<Config>;
  folder?: string;
  port?: number;
}

/** A real master with JSON-RPC, and a builder whose log the test writes. */
export async function masterWorld({ options, config, folder, port = 0 }: WorldOptions = {}): Promise<MasterWorld> {
  let ended = Promise.withResolvers<void>();
  let write: ((text: string) => Promise<void>) | undefined;
  const talks = step({
    title: "talks",
    run: async (ctx) => {
      const log = ctx.log("stdio");
      write = async (text) => void (await log.write(text));
      await ended.promise;
      return { result: "success" };
    },
  });
  const kit = await testMaster({
    ...(folder === undefined ? {} : { folder }),
    config: {
      access: { anonymous: "read" },
      services: [http({ port, maxConnections: 5_000, grace: 200 }), jsonrpc(options)],
      workers: [fakeWorker({ name: "here" })],
      schedulers: [force({ name: "force", builders: ["runtests", "covert"] })],
      builders: [
        { name: "runtests", project: "open", workers: ["here"], steps: [talks] },
        { name: "covert", project: "hidden", workers: ["here"], steps: [step({ run: () => ({ result: "success" }) })] },
      ],
      ...config,
    },
  });
  const url = kit.master.container.resolve(HTTP_SERVER).url ?? "";
  return {
    kit,
    url,
    wsUrl: `${url.replace("http", "ws")}/rpc`,
    port: Number(new URL(url).port),
    async build() {
      write = undefined;
      ended = Promise.withResolvers();
      await kit.call("schedulers.force", { scheduler: "force", builders: ["runtests"] });
      await until(() => write !== undefined, "the build");
      return (await kit.call("builds.list", { builder: "runtests", limit: 1 })).items[0].id;
    },
    async log(text) {
      await write?.(text);
      const [build] = (await kit.call("builds.list", { builder: "runtests", limit: 1 })).items;
      await until(async () => (await kit.call("logs.list", { build: build.id })).items.length > 0, "the log");
    },
    endBuild: () => ended.resolve(),
    token: async (name, scopes = ["read"], narrowed) =>
      (await kit.call("tokens.add", { name, scopes, ...narrowed })).token,
    async [Symbol.asyncDispose]() {
      ended.resolve();
      await kit.close();
    },
  };
}

/** Whatever the test expects it to be. */
export type Said = any;

/** Node's own WebSocket, by people who never heard of Belfry. */
export class Talker {
  readonly socket: WebSocket;
  readonly said: Said[] = [];
  readonly closed: Promise<{ code: number; reason: string }>;
  #last = 0;

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.addEventListener("message", ({ data }) => this.said.push(JSON.parse(data)));
    this.closed = new Promise((resolve) =>
      socket.addEventListener("close", ({ code, reason }) => resolve({ code, reason })),
    );
  }

  static async open(url: string, token?: string): Promise<Talker> {
    const headers = token === undefined ? {} : { Authorization: `Bearer ${token}` };
    const talker = new Talker(new WebSocket(url, { headers } as never));
    await new Promise<void>((resolve, reject) => {
      talker.socket.addEventListener("open", () => resolve());
      talker.socket.addEventListener("error", () => reject(new Error("the WebSocket was refused")));
    });
    return talker;
  }

  send(message: unknown): void {
    this.socket.send(typeof message === "string" ? message : JSON.stringify(message));
  }

  /** Calls a method of version 2.0; the whole answer. */
  async ask(method: string, params: Json = {}): Promise<Said> {
    this.#last += 1;
    const id = this.#last;
    this.send({ jsonrpc: "2.0", id, method, params });
    return this.find((message) => message.id === id && message.method === undefined);
  }

  /** The first message that fits, those before included. */
  async find(fits: (message: Said) => boolean): Promise<Said> {
    await until(() => this.said.some(fits), "the message");
    return this.said.find(fits);
  }

  /** Every event that was told to a subscription. */
  events(subscription: number): Said[] {
    return this.said
      .filter(({ method, params }) => method === "events.event" && params.subscription === subscription)
      .flatMap(({ params }) => params.events);
  }

  end(): Promise<{ code: number; reason: string }> {
    return within(10_000, "the end of the WebSocket", this.closed);
  }

  [Symbol.dispose](): void {
    this.socket.close();
  }
}
