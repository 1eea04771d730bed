import { type Json, messageOf } from "belfry";
import { WebSocket } from "ws";
import { errorOf, type LooseError, resultOf } from "./answer.ts";
import { clientFaults } from "./errors.ts";
import { Inbox } from "./inbox.ts";
import { abortable } from "./pause.ts";
import type { Transport } from "./transport.ts";

interface Waiting {
  settle(answer: unknown): void;
  fail(error: unknown): void;
}

/** One WebSocket, while it lasts. */
interface Link {
  readonly socket: WebSocket;
  readonly waiting: Map<number, Waiting>;
  readonly inboxes: Map<number, Inbox>;
}

const HANDSHAKE_TIMEOUT = 10_000;
const PING_INTERVAL = 30_000;
const LARGEST_MESSAGE = 64 * 1024 * 1024;

/** Everything over one WebSocket, opened when it is needed, and anew when it was lost. */
export class WebSocketTransport implements Transport {
  readonly where: string;
  readonly #token: string | undefined;
  #link: Promise<Link> | undefined;
  #last = 0;
  #closed = false;

  constructor(url: string, token: string | undefined) {
    this.where = url;
    this.#token = token;
  }

  async call(method: string, params: Json, signal?: AbortSignal): Promise<Json> {
    const link = await abortable(this.#opened(), signal);
    return abortable(this.#ask(link, method, params), signal);
  }

  async *subscribe(subscribe: string, unsubscribe: string, params: Json, signal?: AbortSignal): AsyncGenerator<Json> {
    const link = await abortable(this.#opened(), signal);
    const inbox = new Inbox();
    let id: number | undefined;
    // Notifications may follow the answer within the same packet, so the inbox has to be there at once.
    const begun = this.#ask(link, subscribe, params, (result) => {
      ({ subscription: id } = result as { subscription: number });
      link.inboxes.set(id, inbox);
    });
    try {
      yield await abortable(begun, signal);
      for (;;) {
        const message = await abortable(inbox.next(), signal);
        if (message === undefined) return;
        yield message;
      }
    } finally {
      // Also of one that was given up before it was answered.
      void begun
        .then(() => {
          link.inboxes.delete(id as number);
          if (!inbox.ended) return this.#ask(link, unsubscribe, { subscription: id as number });
        })
        .catch(() => undefined);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    const link = await this.#link?.catch(() => undefined);
    if (link === undefined || link.socket.readyState === WebSocket.CLOSED) return;
    const closed = new Promise<void>((resolve) => link.socket.once("close", () => resolve()));
    link.socket.close(1000);
    const timer = setTimeout(() => link.socket.terminate(), 1_000);
    await closed.finally(() => clearTimeout(timer));
  }

  #ask(link: Link, method: string, params: Json, onResult?: (result: Json) => void): Promise<Json> {
    this.#last += 1;
    const id = this.#last;
    return new Promise((resolve, reject) => {
      if (link.socket.readyState !== WebSocket.OPEN)
        return reject(clientFaults.unreachable(this.where, "The connection was closed"));
      link.waiting.set(id, {
        settle: (answer) => {
          try {
            const result = resultOf(answer, this.where);
            onResult?.(result);
            resolve(result);
          } catch (error) {
            reject(error);
          }
        },
        fail: reject,
      });
      link.socket.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
    });
  }

  #opened(): Promise<Link> {
    if (this.#closed) return Promise.reject(clientFaults.closed());
    this.#link ??= this.#open().catch((error) => {
      this.#link = undefined;
      throw error;
    });
    return this.#link;
  }

  #open(): Promise<Link> {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(this.where, {
        headers: this.#token === undefined ? {} : { Authorization: `Bearer ${this.#token}` },
        handshakeTimeout: HANDSHAKE_TIMEOUT,
        perMessageDeflate: false,
        maxPayload: LARGEST_MESSAGE,
      });
      const link: Link = { socket, waiting: new Map(), inboxes: new Map() };
      let reason = "The connection was closed";
      socket.on("message", (data) => this.#receive(link, String(data)));
      socket.on("unexpected-response", (_request, response) => {
        let body = "";
        response.setEncoding("utf8").on("data", (text: string) => {
          if (body.length < 65_536) body += text;
        });
        response.on("close", () => {
          socket.terminate();
          reject(this.#refusal(response.statusCode ?? 0, body));
        });
      });
      socket.on("error", (error) => {
        reason = messageOf(error);
      });
      socket.once("open", () => {
        keepAlive(socket);
        resolve(link);
      });
      socket.once("close", (code, text) => {
        if (code !== 1006) reason = `The connection was closed with ${code} ${String(text)}`.trimEnd();
        const error = this.#closed ? clientFaults.closed() : clientFaults.unreachable(this.where, reason);
        this.#link = undefined;
        reject(error);
        for (const { fail } of link.waiting.values()) fail(error);
        for (const inbox of link.inboxes.values()) inbox.fail(error);
      });
    });
  }

  #receive(link: Link, text: string): void {
    let message: { id?: unknown; method?: string; params?: { subscription?: number } };
    try {
      message = JSON.parse(text);
    } catch {
      return link.socket.terminate();
    }
    if (message.method === undefined) {
      const waiting = link.waiting.get(message.id as number);
      link.waiting.delete(message.id as number);
      return waiting?.settle(message);
    }
    const inbox = link.inboxes.get(message.params?.subscription ?? 0);
    if (inbox === undefined) return;
    if (message.method === "subscription.failed") {
      const { error } = message.params as unknown as { error: LooseError };
      inbox.fail(errorOf(error, this.where));
    } else if (!inbox.put(message.params as Json, text.length)) {
      const subscription = message.params?.subscription as number;
      link.inboxes.delete(subscription);
      const end = message.method === "logs.lines" ? "logs.unfollow" : "events.unsubscribe";
      void this.#ask(link, end, { subscription }).catch(() => undefined);
    }
  }

  /** Why a connection was refused: the master says so as it would to a POST. */
  #refusal(status: number, body: string): unknown {
    try {
      resultOf(JSON.parse(body), this.where);
    } catch (error) {
      if (!(error instanceof SyntaxError)) return error;
    }
    if (status >= 500) return clientFaults.unreachable(this.where, `The answer was status ${status}`);
    return clientFaults.answerStrange(this.where, `It answered with status ${status}, and opened no WebSocket.`);
  }
}

/** Ends a connection whose other side has vanished without a word. */
function keepAlive(socket: WebSocket): void {
  let answered = true;
  socket.on("pong", () => {
    answered = true;
  });
  const timer = setInterval(() => {
    if (!answered) return socket.terminate();
    answered = false;
    socket.ping();
  }, PING_INTERVAL);
  timer.unref();
  socket.once("close", () => clearInterval(timer));
}
