import { HTTP_SERVER, type HttpContext, type HttpServer } from "@belfry/http";
import { WEB, type Web } from "@belfry/web";
import { type Api, type CreateContext, internal, type Logger, type Service, TOKENS } from "belfry";
import { Entrance } from "./entrance.ts";
import { faults } from "./errors.ts";
import { Identity } from "./identity.ts";
import { BACK, Oidc } from "./oidc.ts";
import type { AuthOptions, OidcOptions } from "./options.ts";
import { addAuditPage } from "./pages/audit.ts";
import { addLoginPages } from "./pages/login.ts";
import { addTokenPages } from "./pages/tokens.ts";
import { Passwords } from "./passwords.ts";

/** Lets people sign in to the master's HTTP server, and says who they are at each request. */
export class AuthService implements Service {
  readonly role = "api";
  readonly #options: AuthOptions;
  readonly #ctx: CreateContext;
  #ends: (() => unknown)[] = [];
  /** The path of the link for the administrator. */
  #link: string | undefined;
  #note: (() => Promise<void>) | undefined;

  constructor(options: AuthOptions, ctx: CreateContext) {
    this.#options = options;
    this.#ctx = ctx;
  }

  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { container, clock } = this.#ctx;
    const options = this.#options;
    const http = this.#server();
    const web = this.#web();
    const api = container.resolve(TOKENS.api);
    const log = (container.resolve(TOKENS.logger) as Logger).child({ plugin: "@belfry/auth" });
    const identity = new Identity(options, { http, api, log, now: () => clock.now() });
    const passwords = new Passwords(options.users, clock);
    const entrance = new Entrance({ options, http, api, identity, passwords, log, pages: web !== undefined });
    try {
      this.#ends.push(http.identify(identity));
      this.#ends.push(...entrance.mount());
      if (options.oidc !== undefined) this.#ends.push(...this.#mountOidc(options.oidc, { http, entrance, log }));
      if (web !== undefined)
        this.#ends.push(...addLoginPages(web, options), ...addTokenPages(web), ...addAuditPage(web));
      this.#note = () => this.#noteHere(api, log);
      await this.#note();
      if (options.startLink && web !== undefined) this.#link = await makeLink(api, log);
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    const ends = this.#ends.splice(0).reverse();
    await Promise.all(ends.map((end) => end()));
  }

  describe(): string[] {
    // Its address is known now, also if the HTTP server was started after this.
    void this.#note?.();
    const base = this.#options.url ?? this.#server().url;
    if (this.#link === undefined || base === undefined) return [];
    return [`${base}${this.#link} signs in the administrator, once, within 10 minutes.`];
  }

  #mountOidc(options: OidcOptions, { http, entrance, log }: { http: HttpServer; entrance: Entrance; log: Logger }) {
    const base = ({ protocol, host }: HttpContext) => this.#options.url ?? `${protocol}://${host}`;
    const oidc = new Oidc({ options, entrance, log, base });
    const title = "Sign in with OpenID Connect";
    // Who only looks begins nothing, and uses no code up.
    const unlessHead = (answer: (ctx: HttpContext) => Promise<void>) => async (ctx: HttpContext) => {
      if (ctx.method === "HEAD") ctx.body = "";
      else await answer(ctx);
    };
    const [begin, back] = [unlessHead((ctx) => oidc.begin(ctx)), unlessHead((ctx) => oidc.back(ctx))];
    return [
      http.mount("/auth/oidc", { title, describe: "Leads to the provider.", handler: begin }),
      http.mount(BACK, { title, describe: "Takes who comes back from there.", handler: back }),
    ];
  }

  /** For `belfry login-link`, which may come to another process than this one. */
  async #noteHere(api: Api, log: Logger): Promise<void> {
    const url = this.#options.url ?? this.#server().url ?? null;
    const users = this.#options.users.map(({ name }) => name);
    await api
      .call("links.here", { url, users }, internal)
      .catch((err) => log.warn({ err }, "where the pages are could not be noted"));
  }

  #server(): HttpServer {
    try {
      return this.#ctx.container.resolve(HTTP_SERVER);
    } catch (error) {
      throw faults.noHttp(error);
    }
  }

  /** The pages, where the configuration has some. */
  #web(): Web | undefined {
    try {
      return this.#ctx.container.resolve(WEB);
    } catch {
      return undefined;
    }
  }
}

/** Without an engine's process there is no link; people sign in all the same. */
async function makeLink(api: Api, log: Logger): Promise<string | undefined> {
  try {
    return ((await api.call("links.add", {}, internal)) as { path: string }).path;
  } catch (err) {
    log.warn({ err }, "there is no link for the administrator now");
    return undefined;
  }
}
