import { connect, createServer, type Server, type Socket } from "node:net";

/** What happens to what a client sends: it goes on, or the connection ends in one of these ways. */
export type Verdict =
  | "forward"
  /** The server gets it; the client is cut off before the answer. */
  | "forward and cut"
  /** The server does not get it, and sees the end of the connection. */
  | "cut"
  /** The server does not get it, and does not see that the client is gone. */
  | "cut the client only"
  /** From here on nobody hears anything any more. */
  | "swallow";

/** A network between client and server that fails where the test wants it. */
export class Proxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #target: URL;
  readonly #sockets = new Set<Socket>();
  #refusing = false;
  judge: (sent: string) => Verdict = () => "forward";

  private constructor(target: URL) {
    this.#target = target;
    this.#server = createServer((client) => this.#accept(client));
  }

  static async before(url: string): Promise<Proxy> {
    const proxy = new Proxy(new URL(url));
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get url(): string {
    const url = new URL(this.#target);
    url.port = String((this.#server.address() as { port: number }).port);
    return url.href;
  }

  /** Ends all connections; with `refuse`, also those to come, until told otherwise. */
  cut(refuse = false): void {
    this.#refusing = refuse;
    for (const socket of this.#sockets) socket.destroy();
  }

  accept(): void {
    this.#refusing = false;
  }

  #accept(client: Socket): void {
    if (this.#refusing) {
      client.destroy();
      return;
    }
    const server = connect(Number(this.#target.port), this.#target.hostname);
    this.#watch(client, () => server.destroy());
    this.#watch(server, () => client.destroy());
    let swallowed = false;
    let answering = true;
    client.on("data", (data) => {
      if (swallowed) return;
      const verdict = this.judge(data.toString("latin1"));
      if (verdict === "swallow") swallowed = true;
      if (verdict === "cut" || verdict === "cut the client only") {
        if (verdict === "cut the client only") client.removeAllListeners("close");
        client.destroy();
        return;
      }
      if (verdict === "forward and cut") {
        answering = false;
        server.once("data", () => client.destroy());
      }
      if (!swallowed) server.write(data);
    });
    server.on("data", (data) => {
      if (answering && !swallowed) client.write(data);
    });
  }

  #watch(socket: Socket, ended: () => void): void {
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    socket.on("error", () => {});
    socket.on("close", ended);
    socket.once("close", () => this.#sockets.delete(socket));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut(true);
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}
