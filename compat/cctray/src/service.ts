import { isKnown, KeptAnswers } from "@belfry/buildbot-words";
import { HTTP_SERVER, type HttpContext, type HttpServer } from "@belfry/http";
import {
  type Api,
  BelfryError,
  type Caller,
  type CoreMethods,
  type DependencyContainer,
  type Service,
  TOKENS,
} from "belfry";
import { faults } from "./errors.ts";
import { feed } from "./feed.ts";
import type { CctrayOptions } from "./options.ts";
import { overview, readFilter } from "./overview.ts";

/** Puts the feed at paths of the master's HTTP server. */
export class CctrayService implements Service {
  readonly role = "api";
  readonly #options: CctrayOptions;
  readonly #container: DependencyContainer;
  #unmounts: (() => Promise<void>)[] = [];

  constructor(options: CctrayOptions, container: DependencyContainer) {
    this.#options = options;
    this.#container = container;
  }

  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const http = this.#server();
    const api = this.#container.resolve(TOKENS.api);
    const answers = new KeptAnswers(api);
    try {
      for (const path of new Set(this.#options.paths)) {
        const unmount = http.mount(path, {
          title: "cc.xml",
          describe: "The builders for CCMenu, CCTray and their kin; ?builder=, ?tag= and ?branch= choose.",
          handler: (ctx) => this.#answer(ctx, http, api, answers),
        });
        this.#unmounts.push(unmount);
      }
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.#unmounts.map((unmount) => unmount()));
  }

  describe(): string[] {
    const { url } = this.#server();
    return url === undefined ? [] : [`${url}${this.#options.paths[0]} is the feed for CCMenu and its kin.`];
  }

  async #answer(ctx: HttpContext, http: HttpServer, api: Api, answers: KeptAnswers): Promise<void> {
    ctx.res.appendHeader("Vary", "Authorization, Cookie");
    const filter = readFilter(ctx.querystring);
    const { filterLimit } = this.#options;
    if (filter.builders.length + filter.tags.length + filter.branches.length > filterLimit)
      throw http.withStatus(faults.filterRefused(filterLimit), 400);
    try {
      const caller = await http.caller(ctx);
      const make = async (signal: AbortSignal) => {
        const projects = await overview(api, caller, signal, filter);
        const since = projects.some(({ last }) => last === null) ? await startOf(api, caller, signal) : 0;
        return { text: feed(projects, this.#options.webUrl ?? http.url ?? "", since) };
      };
      const { body, etag } = await answers.get(JSON.stringify(filter), caller, ctx.state.signal, make);
      ctx.set("ETag", etag);
      ctx.set("Cache-Control", "private, no-cache");
      if (isKnown(ctx.get("If-None-Match"), etag)) {
        ctx.status = 304;
        return;
      }
      ctx.set("Content-Type", "application/xml; charset=utf-8");
      ctx.body = body;
    } catch (error) {
      if (!BelfryError.is(error) || !LOGIN_HELPS.has(error.code)) throw error;
      // Readers of feeds know Basic; those that are programs may know Bearer.
      ctx.res.setHeader("WWW-Authenticate", ['Basic realm="belfry", charset="UTF-8"', 'Bearer realm="belfry"']);
      throw http.withStatus(faults.loginNeeded(error), 401);
    }
  }

  #server(): HttpServer {
    try {
      return this.#container.resolve(HTTP_SERVER);
    } catch (error) {
      throw faults.noHttp(error);
    }
  }
}

const LOGIN_HELPS = new Set(["BELFRY_FORBIDDEN", "BELFRY_HTTP_TOKEN_REFUSED"]);

/** Since when this master runs. */
async function startOf(api: Api, caller: Caller, signal: AbortSignal): Promise<number> {
  const status = (await api.call("status.now", {}, caller, signal)) as CoreMethods["status.now"]["result"];
  return status.startedAt;
}
