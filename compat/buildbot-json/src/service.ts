import { isKnown, type Kept, KeptAnswers } from "@belfry/buildbot-words";
import { HTTP_SERVER, type HttpContext, type HttpServer } from "@belfry/http";
import { type Api, type Caller, type DependencyContainer, type Service, TOKENS } from "belfry";
import { faults } from "./errors.ts";
import { helpPage } from "./help-page.ts";
import { jsonText } from "./json-text.ts";
import { rootNode } from "./nodes/root-node.ts";
import type { BuildbotJsonOptions } from "./options.ts";
import { type Query, readQuery } from "./query.ts";
import { Reader } from "./reader.ts";
import { selection } from "./selection.ts";
import { Site } from "./site.ts";
import { find, type Node, said } from "./tree.ts";

/** How long an answer holds in which something changes by itself, in milliseconds. */
const BRIEFLY = 1_000;
const EXPIRES = 60_000;

/** Puts the status of the master at a path of its HTTP server, as Buildbot 0.8 had it. */
export class BuildbotJsonService implements Service {
  readonly role = "api";
  readonly #options: BuildbotJsonOptions;
  readonly #container: DependencyContainer;
  #unmount: (() => Promise<void>) | undefined;

  constructor(options: BuildbotJsonOptions, container: DependencyContainer) {
    this.#options = options;
    this.#container = container;
  }

  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const http = this.#server();
    const api = this.#container.resolve(TOKENS.api);
    const answers = new KeptAnswers(api);
    this.#unmount = http.mount(`${this.#options.path}/*`, {
      title: "Buildbot's /json",
      describe: "The status API of Buildbot 0.8; /help below any path explains it.",
      handler: (ctx) => this.#answer(ctx, http, api, answers),
    });
  }

  async stop(): Promise<void> {
    await this.#unmount?.();
  }

  describe(): string[] {
    const { url } = this.#server();
    return url === undefined ? [] : [`${url}${this.#options.path} answers as Buildbot 0.8 did.`];
  }

  async #answer(ctx: HttpContext, http: HttpServer, api: Api, answers: KeptAnswers): Promise<void> {
    ctx.res.appendHeader("Vary", "Authorization, Cookie");
    const caller = await http.caller(ctx);
    const path = pathBelow(ctx.path, this.#options.path);
    const query = readQuery(ctx.querystring);
    if (!this.#options.crossOrigin || sendsByItself(ctx, caller)) query.callback = undefined;
    const site = new Site(this.#options.webUrl ?? http.url);
    const tree = (signal: AbortSignal) => {
      const reader = new Reader(api, caller, signal);
      return { reader, root: rootNode({ reader, site, query, options: this.#options }) };
    };

    if (path?.at(-1) === "help") {
      const above = path.slice(0, -1);
      const node = await find(tree(ctx.state.signal).root, above);
      if (node !== undefined && (await node.child("help")) === undefined)
        return sendHelp(ctx, await helpPage(this.#pathOf(above), node));
    }
    const question = `${query.callback ?? ""}\0${ctx.path}?${ctx.querystring}`;
    const kept = await answers.get(question, caller, ctx.state.signal, async (signal) => {
      const { reader, root } = tree(signal);
      const node = path && (await find(root, path));
      if (node === undefined) throw http.withStatus(faults.pathUnknown(), 404);
      const text = await this.#text(node, query, http);
      return { text, ...(reader.changing && { lasts: BRIEFLY }) };
    });
    if (this.#options.crossOrigin && ctx.res.getHeader("Access-Control-Allow-Origin") === undefined)
      ctx.set("Access-Control-Allow-Origin", "*");
    sendJson(ctx, kept, query, this.#options.path);
  }

  async #text(node: Node, query: Query, http: HttpServer): Promise<string> {
    const { filter, compact, callback } = query;
    try {
      const value = query.select ? await selection(node, query.select, this.#options.selectLimit) : await said(node);
      const text = await jsonText(value, { filter, compact, limit: this.#options.answerLimit });
      if (callback === undefined) return text;
      // As a script these two would end a line within a string.
      return `${callback}(${text.replaceAll("\u2028", "\\u2028").replaceAll("\u2029", "\\u2029")});`;
    } catch (error) {
      throw OURS.has((error as { code?: string }).code ?? "") ? http.withStatus(error as never, 400) : error;
    }
  }

  #pathOf(names: readonly string[]): string {
    return [this.#options.path, ...names.map(encodeURIComponent)].join("/");
  }

  #server(): HttpServer {
    try {
      return this.#container.resolve(HTTP_SERVER);
    } catch (error) {
      throw faults.noHttp(error);
    }
  }
}

const OURS = new Set(["BELFRY_BUILDBOT_JSON_SELECT_REFUSED", "BELFRY_BUILDBOT_JSON_ANSWER_TOO_LARGE"]);

/**
 * Whether it may be a browser that told who asks by itself, with a password it remembers. It does that for a script of
 * any site, which could then read the answer if that called one of its functions.
 */
function sendsByItself(ctx: HttpContext, caller: Caller): boolean {
  return caller.kind !== "anonymous" && !/^bearer /i.test(ctx.get("Authorization"));
}

/** The names in what is behind the mount's own path; `undefined` if they cannot be read. */
function pathBelow(path: string, base: string): string[] | undefined {
  try {
    return path.slice(base.length).split("/").filter(Boolean).map(decodeURIComponent);
  } catch {
    return undefined;
  }
}

function sendHelp(ctx: HttpContext, page: string): void {
  ctx.set("Content-Type", "text/html; charset=utf-8");
  ctx.set("Content-Security-Policy", "default-src 'none'");
  ctx.set("Cache-Control", "no-store");
  ctx.body = page;
}

function sendJson(ctx: HttpContext, { body, etag }: Kept, { asText, callback }: Query, base: string): void {
  ctx.set("ETag", etag);
  ctx.set("Cache-Control", "private, no-cache");
  ctx.set("Pragma", "no-cache");
  ctx.set("Expires", new Date(Date.now() + EXPIRES).toUTCString());
  if (isKnown(ctx.get("If-None-Match"), etag)) {
    ctx.status = 304;
    return;
  }
  // The type stays that of JSON, as it was; a browser that is forbidden to guess would not run it as a script.
  if (callback !== undefined) ctx.res.removeHeader("X-Content-Type-Options");
  ctx.set("Content-Type", "application/json");
  if (!asText) ctx.set("Content-Disposition", `attachment; filename="${fileName(ctx.path, base)}"`);
  ctx.body = body;
}

function fileName(path: string, base: string): string {
  const plain = path.replace(/\/+$/, "");
  if (plain === base) return "buildbot.json";
  return `${plain.replace(/[^\x21-\x7e]|["\\]/g, (found) => encodeURIComponent(found.toWellFormed()))}.json`;
}
