import type { Arrival, HttpContext, HttpServer } from "@belfry/http";
import { type Api, BelfryError, type Logger } from "belfry";
import { writeCookie } from "./cookie.ts";
import { faults, STATUS } from "./errors.ts";
import type { Identity } from "./identity.ts";
import { hashOfKey, KEY_FORM, newKey } from "./keys.ts";
import { ADMINISTRATOR, type AuthOptions } from "./options.ts";
import { markOf } from "./password.ts";
import type { Passwords } from "./passwords.ts";
import { inside, loginPath } from "./paths.ts";
import type { Via } from "./sessions.ts";

const AWAY = new Set(["BELFRY_ENGINE_AWAY", "BELFRY_DATABASE_AWAY"]);
const FORM_LIMIT = 16_384;

export interface EntranceParts {
  options: AuthOptions;
  http: HttpServer;
  api: Api;
  identity: Identity;
  passwords: Passwords;
  log: Logger;
  /** Whether there is a page to sign in. */
  pages: boolean;
}

/** Somebody who has shown who he is. */
export interface Newcomer {
  user: string;
  groups: readonly string[];
  via: Via;
  administrator: boolean;
  /** The configured hash of the password that he gave. */
  password?: string;
}

/** Where forms to sign in and out are sent. */
export class Entrance {
  readonly #parts: EntranceParts;

  constructor(parts: EntranceParts) {
    this.#parts = parts;
  }

  /** Takes the paths; returns how to give them back. */
  mount(): (() => Promise<void>)[] {
    const forms: [path: string, title: string, answer: (ctx: HttpContext, form: URLSearchParams) => Promise<void>][] = [
      ["/auth/sign-in", "Sign in with a password", (ctx, form) => this.#password(ctx, form)],
      ["/auth/link", "Sign in with a one-time link", (ctx, form) => this.#link(ctx, form)],
      ["/auth/sign-out", "Sign out", (ctx, form) => this.#signOut(ctx, form)],
    ];
    return forms.map(([path, title, answer]) =>
      this.#parts.http.mount(path, {
        title,
        describe: "Takes the form of a page of this server.",
        methods: ["POST"],
        handler: (ctx) => this.#take(ctx, answer),
      }),
    );
  }

  async #take(ctx: HttpContext, answer: (ctx: HttpContext, form: URLSearchParams) => Promise<void>): Promise<void> {
    ctx.set("Cache-Control", "no-store");
    ctx.set("Referrer-Policy", "same-origin");
    // Also for who is nobody yet: a page of another site must not sign its reader in as somebody of its choice.
    this.#parts.http.requireOwnPage(ctx);
    let form = new URLSearchParams();
    try {
      form = await this.#read(ctx);
      await answer(ctx, form);
    } catch (error) {
      if (!BelfryError.is(error)) throw error;
      this.refuse(ctx, AWAY.has(error.code) ? faults.away(error) : error, inside(form.get("to")));
    }
  }

  /** Tells why somebody was not let in: on the page to sign in where there is one and a browser asks. */
  refuse(ctx: HttpContext, error: BelfryError, to: string): void {
    const status = STATUS[error.code];
    if (status === undefined || !this.#parts.pages || !ctx.get("accept").includes("text/html"))
      throw status === undefined ? error : this.#parts.http.withStatus(error, status);
    const wait = error.details.find(({ path }) => path === "retryAfterSeconds")?.message;
    goTo(ctx, loginPath(to, { fault: error.code, wait }));
  }

  async #read(ctx: HttpContext): Promise<URLSearchParams> {
    const type = ctx.get("content-type").split(";")[0]?.trim().toLowerCase();
    if (type !== "application/x-www-form-urlencoded") throw faults.formBroken();
    return new URLSearchParams((await this.#parts.http.body(ctx, FORM_LIMIT)).toString());
  }

  async #password(ctx: HttpContext, form: URLSearchParams): Promise<void> {
    const { passwords, log } = this.#parts;
    const name = form.get("user") ?? "";
    try {
      const user = await passwords.check(name, form.get("password") ?? "", ctx.ip);
      const newcomer = {
        user: user.name,
        groups: user.groups,
        via: "password" as const,
        administrator: false,
        password: user.password,
      };
      await this.letIn(ctx, newcomer, inside(form.get("to")));
    } catch (error) {
      // Not the name: it may be a password that was typed into the wrong field.
      if (BelfryError.is(error) && error.code.startsWith("BELFRY_AUTH_"))
        log.warn({ address: ctx.ip, code: error.code }, "somebody could not sign in");
      throw error;
    }
  }

  async #link(ctx: HttpContext, form: URLSearchParams): Promise<void> {
    const { api, options } = this.#parts;
    const key = form.get("key") ?? "";
    if (!KEY_FORM.test(key)) throw faults.linkUsed();
    const { user } = (await api.call("links.use", { id: hashOfKey(key) }, this.#as("a link", ctx))) as {
      user: string | null;
    };
    const known = options.users.find(({ name }) => name === user);
    if (user !== null && known === undefined) throw faults.linkUsed();
    await this.letIn(
      ctx,
      { user: user ?? ADMINISTRATOR, groups: known?.groups ?? [], via: "link", administrator: user === null },
      "/",
    );
  }

  /** Begins a session, with a key of its own, and ends the one that this browser had. */
  async letIn(ctx: HttpContext, newcomer: Newcomer, to: string): Promise<void> {
    const { api, options, identity, log } = this.#parts;
    const arrival = arrivalOf(ctx);
    const before = await identity.session(arrival);
    const key = newKey();
    const { idle, longest } = options;
    const { password, ...facts } = newcomer;
    const mark = password === undefined ? null : markOf(password);
    const session = { ...facts, groups: [...facts.groups], mark, from: ctx.ip, idle, longest };
    const actor = this.#as(newcomer.user, ctx);
    await api.call("sessions.add", { id: hashOfKey(key), ...session }, actor);
    if (before !== undefined) await api.call("sessions.end", { id: before.id }, actor);
    log.info({ user: newcomer.user, via: newcomer.via, address: ctx.ip }, "somebody has signed in");
    addCookie(ctx, writeCookie(arrival, key, longest / 1_000));
    goTo(ctx, to);
  }

  async #signOut(ctx: HttpContext, form: URLSearchParams): Promise<void> {
    const { api, identity } = this.#parts;
    const arrival = arrivalOf(ctx);
    const session = await identity.session(arrival);
    if (session !== undefined) {
      const all = form.get("everywhere") === "yes";
      const what = all ? { user: session.user } : { id: session.id };
      await api.call("sessions.end", what, this.#as(session.user, ctx));
    }
    addCookie(ctx, writeCookie(arrival, "", 0));
    const out = identity.isNamedByProxy(arrival) ? "proxy" : "yes";
    goTo(ctx, this.#parts.pages ? loginPath("/", { out }) : "/");
  }

  /** Carries something out in somebody's name, so that the audit has it so. */
  #as(name: string, ctx: HttpContext) {
    const { api } = this.#parts;
    return api.callerOf({ name, kind: "session", scopes: ["admin"], sees: null, controls: null, origin: ctx.ip });
  }
}

export function arrivalOf({ req, host, ip, protocol }: HttpContext): Arrival {
  return { req, host, ip, secure: protocol === "https" };
}

export function addCookie(ctx: HttpContext, cookie: string): void {
  ctx.res.appendHeader("Set-Cookie", cookie);
}

export function goTo(ctx: HttpContext, path: string): void {
  ctx.status = 303;
  ctx.set("Location", path);
  ctx.body = null;
  ctx.status = 303;
}
