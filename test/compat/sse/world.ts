import { type ClientRequest, get, type IncomingHttpHeaders, type IncomingMessage } from "node:http";
import { HTTP_SERVER, http } from "@belfry/http";
import { force } from "@belfry/schedulers";
import { sse } from "@belfry/sse";
import { fakeWorker, step, type TestMaster, testMaster, until, within } from "@belfry/testkit";
import type { Config } from "belfry";

export interface SseWorld extends AsyncDisposable {
  kit: TestMaster;
  /** `http://127.0.0.1:1234/events` */
  url: string;
  port: number;
}

interface WorldOptions {
  options?: Parameters<typeof sse>[0];
  config?: Partial<Config>;
  folder?: string;
  port?: number;
}

/** A real master that streams what happens. */
export async function sseWorld({ options, config, folder, port = 0 }: WorldOptions = {}): Promise<SseWorld> {
  const done = step({ run: () => ({ result: "success" }) });
  const kit = await testMaster({
    ...(folder === undefined ? {} : { folder }),
    config: {
      access: { anonymous: "read" },
      services: [http({ port, grace: 60_000 }), sse(options)],
      workers: [fakeWorker({ name: "here" })],
      schedulers: [force({ name: "force", builders: ["runtests", "covert"] })],
      builders: [
        { name: "runtests", project: "open", workers: ["here"], steps: [done] },
        { name: "covert", project: "hidden", workers: ["here"], steps: [done] },
      ],
      ...config,
    },
  });
  const base = kit.master.container.resolve(HTTP_SERVER).url ?? "";
  return {
    kit,
    url: `${base}/events`,
    port: Number(new URL(base).port),
    [Symbol.asyncDispose]: () => kit.close(),
  };
}

export interface Block {
  event?: string;
  id?: string;
  data?: any;
  comment?: true;
  retry?: string;
}

/** Reads a stream, block by block. */
export class Reader {
  text = "";
  ended = false;
  readonly response: Promise<{ status: number; headers: IncomingHttpHeaders }>;
  readonly #request: ClientRequest;
  #message: IncomingMessage | undefined;

  constructor(url: string, headers: Record<string, string> = {}) {
    this.#request = get(url, { headers, agent: false });
    this.response = new Promise((resolve, reject) => {
      this.#request.on("error", reject);
      this.#request.on("response", (message) => {
        this.#message = message;
        message.setEncoding("utf8");
        message.on("data", (text: string) => {
          this.text += text;
        });
        message.on("error", () => undefined);
        message.on("close", () => {
          this.ended = true;
        });
        resolve({ status: message.statusCode ?? 0, headers: message.headers });
      });
    });
    this.response.catch(() => undefined);
  }

  get blocks(): Block[] {
    return this.text.split("\n\n").slice(0, -1).map(parse);
  }

  /** What a browser would be told. */
  get events(): Block[] {
    return this.blocks.filter(({ data }) => data !== undefined);
  }

  async until(ready: (events: Block[]) => boolean): Promise<Block[]> {
    await until(() => ready(this.events), "the events");
    return this.events;
  }

  pause(): void {
    this.#message?.pause();
  }

  resume(): void {
    this.#message?.resume();
  }

  end(): Promise<void> {
    return within(
      10_000,
      "the stream's end",
      until(() => this.ended, "it"),
    );
  }

  [Symbol.dispose](): void {
    this.#request.destroy();
  }
}

function parse(text: string): Block {
  const block: Block = {};
  for (const line of text.split("\n")) {
    const [, name, value = ""] = /^(\w*):? ?(.*)$/.exec(line) ?? [];
    if (name === "") block.comment = true;
    else if (name === "data") block.data = JSON.parse(value);
    else if (name === "event" || name === "id" || name === "retry") block[name] = value;
    else throw new Error(`a line that no stream may have: ${line}`);
  }
  return block;
}
