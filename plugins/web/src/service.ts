import { createHmac, randomBytes } from "node:crypto";
import { HTTP_SERVER, type HttpContext, type HttpServer } from "@belfry/http";
import {
  type Api,
  BelfryError,
  type Caller,
  type DependencyContainer,
  type Json,
  type Logger,
  rightsKey,
  type Service,
  TOKENS,
} from "belfry";
import { Pages, type WebAnswer, type WebRequest } from "./answering.ts";
import { type Asset, type Assets, loadAssets } from "./assets.ts";
import { faults } from "./errors.ts";
import { WEB } from "./extension.ts";
import { formFields } from "./form-fields.ts";
import { formKeyFrom } from "./form-key.ts";
import type { WebOptions } from "./options.ts";
import type { Site } from "./site.ts";
import { Streams } from "./streams.ts";
import type { Source } from "./view.ts";

const MOST_FORM_KEYS = 1_000;
const BODY_LIMIT = 1_048_576;
const NOBODY: Caller = { name: "nobody", kind: "anonymous", scopes: new Set(), visible: null };

/** Puts the pages on the master's HTTP server, at every path that nobody else has. */
export class WebService implements Service {
  readonly role = "api";
  readonly #options: WebOptions;
  readonly #container: DependencyContainer;
  #key: Buffer = randomBytes(32);
  readonly #formKeys = new Map<string, string>();
  #stop: (() => Promise<void>) | undefined;

  constructor(options: WebOptions, container: DependencyContainer) {
    this.#options = options;
    this.#container = container;
  }

  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const http = this.#server();
    const api = this.#container.resolve(TOKENS.api);
    const log = this.#container.resolve(TOKENS.logger) as Logger;
    const assets = await loadAssets();
    this.#key = await formKeyFrom(api);
    const clock = this.#container.resolve(TOKENS.clock);
    const installation = this.#container.resolve(TOKENS.installation);
    const site = this.#container.resolve(WEB) as Site;
    const pages = new Pages(site, this.#options, assets, { log, clock, installation });
    const streams = new Streams(api, http, this.#options);
    const unmount = http.mount("/*", {
      title: "Pages",
      describe: "What runs, what waits, and everything that was ever built.",
      methods: ["GET", "POST"],
      handler: (ctx) => {
        ctx.set("Referrer-Policy", "same-origin");
        if (ctx.path === "/web/events" && ctx.method !== "POST") return streams.answer(ctx);
        if (ctx.path === "/robots.txt") return sendText(ctx, robots(this.#options.crawlers));
        const asset = assets.at(ctx.path);
        if (asset !== undefined) return sendAsset(ctx, asset, assets);
        return this.#answer(ctx, http, api, pages);
      },
    });
    this.#stop = async () => {
      const left = unmount();
      streams.close();
      await left;
    };
  }

  async stop(): Promise<void> {
    await this.#stop?.();
  }

  describe(): string[] {
    const { url } = this.#server();
    return url === undefined ? [] : [`${url}/ has the pages.`];
  }

  async #answer(ctx: HttpContext, http: HttpServer, api: Api, pages: Pages): Promise<void> {
    const navigates = ctx.get("accept").includes("text/html") && !ctx.path.startsWith("/web/");
    const request = {
      method: ctx.method,
      path: ctx.path,
      querystring: ctx.querystring,
      from: cameFrom(ctx),
      navigates,
    };
    let caller: Caller;
    try {
      caller = await http.caller(ctx);
    } catch (error) {
      if (!BelfryError.is(error)) throw error;
      return send(ctx, pages.fault({ ...request, caller: NOBODY, formKey: "" }, error, http.statusOf(error)));
    }
    const whole: WebRequest = {
      ...request,
      source: sourceOf(api, caller),
      caller,
      signal: ctx.state.signal,
      formKey: this.#formKey(caller, ctx),
      // A program that shows a token with each request was not led here by a page of somebody else.
      formKeyNeeded: !/^bearer /i.test(ctx.get("authorization")),
    };
    if (ctx.method === "POST") {
      try {
        whole.fields = await readForm(ctx, http);
      } catch (error) {
        if (!BelfryError.is(error) || error.code !== "BELFRY_WEB_FORM_BROKEN") throw error;
        return send(ctx, pages.fault(whole, error));
      }
    }
    send(ctx, await pages.answer(whole));
  }

  #formKey(caller: Caller, ctx: HttpContext): string {
    const { kind, name } = caller;
    const who = JSON.stringify([kind, name, rightsKey(caller), this.#server().credentials(ctx)]);
    const known = this.#formKeys.get(who);
    if (known !== undefined) return known;
    const key = createHmac("sha256", this.#key).update(who).digest("base64url");
    if (this.#formKeys.size >= MOST_FORM_KEYS) this.#formKeys.clear();
    if (who.length < 500) this.#formKeys.set(who, key);
    return key;
  }

  #server(): HttpServer {
    try {
      return this.#container.resolve(HTTP_SERVER);
    } catch (error) {
      throw faults.noHttp(error);
    }
  }
}

function sourceOf(api: Api, caller: Caller): Source {
  const needed = new Map(api.methods().map(({ name, permission }) => [name, permission]));
  return {
    call: (method, params, signal) => api.call(method, params, caller, signal) as Promise<Json>,
    may(method) {
      const scope = needed.get(method);
      return scope !== undefined && caller.scopes.has(scope);
    },
  };
}

/** The page that a form was on, if it is one of this server. What answered another form cannot be gone back to. */
function cameFrom(ctx: HttpContext): string | undefined {
  const referrer = ctx.get("referer");
  if (!URL.canParse(referrer)) return undefined;
  const { host, pathname, search } = new URL(referrer);
  return host === ctx.host && !pathname.startsWith("/do/") ? pathname + search : undefined;
}

const readForm = async (ctx: HttpContext, http: HttpServer): Promise<URLSearchParams> =>
  formFields(ctx.get("content-type"), await http.body(ctx, BODY_LIMIT));

function send(ctx: HttpContext, { status, headers, body }: WebAnswer): void {
  for (const [name, value] of Object.entries(headers)) ctx.set(name, value);
  const etag = headers["ETag"];
  if (status === 200 && etag !== undefined && isKnown(ctx.get("if-none-match"), etag)) {
    ctx.status = 304;
    return;
  }
  ctx.status = status;
  ctx.body = body === "" ? null : body;
  if (body === "") ctx.status = status;
}

/** Whether a header `If-None-Match` has this tag; weakly, as RFC 9110 has it for this header. */
function isKnown(ifNoneMatch: string, etag: string): boolean {
  const bare = (tag: string) => tag.trim().replace(/^W\//, "");
  return ifNoneMatch.split(",").some((one) => one.trim() === "*" || bare(one) === bare(etag));
}

function sendAsset(ctx: HttpContext, asset: Asset, assets: Assets): void {
  const current = ctx.path === asset.path && asset !== assets.icon;
  ctx.set("Cache-Control", current ? "public, max-age=31536000, immutable" : "public, max-age=300");
  ctx.set("ETag", asset.etag);
  ctx.set("Vary", "Accept-Encoding");
  if (isKnown(ctx.get("if-none-match"), asset.etag)) {
    ctx.status = 304;
    return;
  }
  ctx.set("Content-Type", asset.type);
  ctx.set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'");
  const zipped = /\bgzip\b/.test(ctx.get("accept-encoding"));
  if (zipped) ctx.set("Content-Encoding", "gzip");
  ctx.body = zipped ? asset.gzipped : asset.body;
}

function sendText(ctx: HttpContext, text: string): void {
  ctx.set("Content-Type", "text/plain; charset=utf-8");
  ctx.set("Cache-Control", "public, max-age=3600");
  ctx.body = text;
}

function robots(crawlers: boolean): string {
  if (!crawlers) return "User-agent: *\nDisallow: /\n";
  return "User-agent: *\nDisallow: /web/\nDisallow: /*?\nDisallow: /*/logs/\nCrawl-delay: 5\n";
}
