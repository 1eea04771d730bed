import { createHash } from "node:crypto";
import { BelfryError, Budgets, type Caller, type Clock, type Installation, type Json, type Logger } from "belfry";
import type { Assets } from "./assets.ts";
import { faults, statusOf } from "./errors.ts";
import type { Page, Raw } from "./extension.ts";
import { html, written } from "./html.ts";
import { KeptAnswers } from "./kept-answers.ts";
import { document } from "./layout.ts";
import type { WebOptions } from "./options.ts";
import { faultPage } from "./parts/fault.ts";
import type { Site } from "./site.ts";
import { inside, nameOf, withoutEnd } from "./urls.ts";
import { RequestView, type Source } from "./view.ts";

export interface WebRequest {
  method: string;
  /** Encoded, as it was sent. */
  path: string;
  querystring: string;
  source: Source;
  caller: Pick<Caller, "name" | "kind" | "scopes" | "origin">;
  signal: AbortSignal;
  /** What forms of this reader have to bring back; `null` for who sends none from a browser. */
  formKey: string;
  /** Whether a form needs to bring it. */
  formKeyNeeded?: boolean;
  /** Of a form that was sent. */
  fields?: URLSearchParams;
  /** The page that a form was on, as a path. */
  from?: string | undefined;
  /** Whether it is a browser that goes to a page, and not a program or a part of a page. */
  navigates?: boolean;
}

export interface WebAnswer {
  status: number;
  headers: Record<string, string>;
  body: Raw["content"];
  /** Not to be given again. */
  fresh?: boolean;
}

const PAGE_HEADERS = {
  "Content-Security-Policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  "Referrer-Policy": "same-origin",
  Vary: "Authorization, Cookie",
};
/** What will not change is asked for again after an hour: who may see it can change. */
const SETTLED = "private, max-age=3600";
const CHANGING = "private, no-cache";

/** What a page takes of its reader's budget; a snippet takes 1. */
const PAGE_COST = 4;

interface PagesParts {
  log: Pick<Logger, "error">;
  clock: Clock;
  installation: Pick<Installation, "title">;
}

/** Answers requests for pages, snippets and actions; knows nothing of HTTP but statuses and headers. */
export class Pages {
  readonly #site: Site;
  readonly #options: Pick<WebOptions, "title" | "pagesPerMinute">;
  readonly #assets: Assets;
  readonly #log: Pick<Logger, "error">;
  readonly #installation: PagesParts["installation"];
  readonly #kept = new KeptAnswers();
  /** How many forms have done something: not all that they do is an event, and its sender looks at once. */
  #acted = 0;
  readonly #budgets: Budgets;

  constructor(site: Site, options: Pick<WebOptions, "title" | "pagesPerMinute">, assets: Assets, parts: PagesParts) {
    this.#site = site;
    this.#options = options;
    this.#assets = assets;
    this.#log = parts.log;
    this.#installation = parts.installation;
    this.#budgets = new Budgets(parts.clock);
  }

  async answer(request: WebRequest): Promise<WebAnswer> {
    try {
      if (request.method === "POST") return await this.#act(request);
      const position = await positionOf(request);
      const { caller, formKey, path, querystring } = request;
      const key = JSON.stringify([
        this.#site.version,
        this.#acted,
        caller.kind,
        caller.name,
        formKey,
        path,
        querystring,
      ]);
      const make = async (signal: AbortSignal) => {
        const snippet = /^\/web\/snippets\/([^/]+)$/.exec(path)?.[1];
        this.#spend(request, snippet === undefined ? PAGE_COST : 1);
        return snippet === undefined
          ? this.#page({ ...request, signal }, position)
          : this.#snippet({ ...request, signal }, snippet);
      };
      return await (position === undefined
        ? make(request.signal)
        : this.#kept.answer(key, position, request.signal, make));
    } catch (error) {
      if (!BelfryError.is(error)) throw error;
      return this.fault(request, error);
    }
  }

  #spend({ caller }: WebRequest, cost: number): void {
    const { pagesPerMinute } = this.#options;
    const seconds = this.#budgets.spend(caller, cost, PAGE_COST * pagesPerMinute);
    if (seconds > 0) throw faults.tooFast(pagesPerMinute, seconds);
  }

  /** An error as a page. */
  fault(
    request: Omit<WebRequest, "source" | "signal">,
    error: BelfryError,
    given = statusOf(error, request.method),
  ): WebAnswer {
    const headers: Record<string, string> = {
      ...PAGE_HEADERS,
      "Content-Type": "text/html; charset=utf-8",
      "Cache-Control": "no-store",
    };
    let status = given;
    const signInHelps =
      error.code === "BELFRY_FORBIDDEN" && request.caller.kind === "anonymous" && request.method !== "POST";
    const signIn = this.#site.getReader()?.signIn;
    if (signInHelps && signIn && request.navigates) return goTo(302, inside(signIn(hereOf(request))));
    if (status === 401 || signInHelps) {
      // A token as the password, with any user name, lets a browser in where nothing else does.
      status = 401;
      if (!signIn) headers["WWW-Authenticate"] = 'Basic realm="belfry", charset="UTF-8"';
    }
    if (status === 429)
      headers["Retry-After"] = error.details.find(({ path }) => path === "retryAfterSeconds")?.message ?? "1";
    const back = request.method === "POST" ? inside(request.from) : undefined;
    const near = status === 404 ? this.#site.near(request.path) : [];
    return { status, headers, body: this.#document(request, faultPage(error, status, { back, near }))(undefined) };
  }

  async #page(request: WebRequest, position: string | undefined): Promise<WebAnswer> {
    const { path } = request;
    const shorter = withoutEnd(path);
    if (shorter !== path && this.#site.at(shorter)) return goTo(308, inside(shorter));
    const found = this.#site.at(path);
    if (found === undefined) throw faults.pageUnknown(readable(path));
    const view = this.#view(request, found.keys);
    const made = await found.page.render(view);
    if ("redirect" in made) return goTo(302, inside(made.redirect));
    if ("content" in made) return this.#raw(made);
    const write = this.#document(request, made);
    const settled = made.settled === true && !view.live;
    const bare = write(undefined);
    return {
      status: 200,
      headers: {
        ...PAGE_HEADERS,
        "Content-Type": "text/html; charset=utf-8",
        "Cache-Control": settled && !view.formed ? SETTLED : CHANGING,
        ETag: settled ? tagOf(bare) : `W/${tagOf(bare)}`,
      },
      body: view.live ? write(position) : bare,
      ...(made.fresh === true && { fresh: true }),
    };
  }

  #raw({ type, content, settled = false, headers = {} }: Raw): WebAnswer {
    const tag: Record<string, string> =
      typeof content === "object" && "pipe" in content ? {} : { ETag: tagOf(content) };
    return {
      status: 200,
      headers: {
        ...PAGE_HEADERS,
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Content-Type": type,
        "Cache-Control": settled ? SETTLED : CHANGING,
        ...tag,
        ...headers,
      },
      body: content,
    };
  }

  async #snippet(request: WebRequest, name: string): Promise<WebAnswer> {
    const keys = Object.fromEntries(new URLSearchParams(request.querystring));
    const view = this.#view(request, keys);
    const known = nameOf(name);
    if (known === undefined || this.#site.getSnippet(known) === undefined)
      throw faults.pageUnknown(readable(request.path));
    const body = written(await view.snippet(known, keys));
    return {
      status: 200,
      headers: {
        ...PAGE_HEADERS,
        "Content-Type": "text/html; charset=utf-8",
        "Cache-Control": CHANGING,
        ETag: tagOf(body),
      },
      body,
    };
  }

  async #act(request: WebRequest): Promise<WebAnswer> {
    const name = /^\/do\/([^/]+)$/.exec(request.path)?.[1];
    const action = name === undefined ? undefined : this.#site.getAction(nameOf(name) ?? "");
    if (action === undefined) throw faults.pageUnknown(readable(request.path));
    const fields = request.fields ?? new URLSearchParams();
    if (request.formKeyNeeded !== false && fields.get("_form") !== request.formKey) throw faults.formRefused();
    fields.delete("_form");
    const view = this.#view(request, {});
    let answer: Json;
    try {
      answer = await request.source.call(action.method, await action.params(fields, view), request.signal);
    } catch (error) {
      const mendable = BelfryError.is(error) && statusOf(error, request.method) === 400;
      const page = mendable ? await action.refused?.(error, fields, view) : undefined;
      if (page === undefined) throw error;
      return this.#told(request, page, 400);
    }
    this.#acted += 1;
    if (action.done) return this.#told(request, action.done(answer, view));
    return goTo(303, inside(action.next?.(answer, view) ?? request.from));
  }

  /** A page that is an answer to a form: nobody may keep it. */
  #told(request: WebRequest, page: Page, status = 200): WebAnswer {
    const headers = {
      ...PAGE_HEADERS,
      "Content-Type": "text/html; charset=utf-8",
      "Cache-Control": "no-store",
    };
    return { status, headers, body: this.#document(request, page)(undefined) };
  }

  #view(request: WebRequest, keys: Record<string, string>): RequestView {
    const onPanelFault = (panel: string, error: string) =>
      this.#log.error({ panel, error }, "a panel could not be made");
    return new RequestView({ ...request, site: this.#site, keys, onPanelFault });
  }

  #document(request: Pick<WebRequest, "path" | "caller" | "querystring" | "method" | "from">, page: Page) {
    const { kind, name, scopes } = request.caller;
    const entries = this.#site.entries().filter(({ scope }) => scope === undefined || scopes.has(scope));
    const other = this.#site.getReader();
    const reader = other
      ? other.render({ caller: request.caller, here: hereOf(request) })
      : kind === "anonymous"
        ? null
        : html`signed in as <b dir="auto">${name}</b>`;
    const { style, script } = this.#assets;
    const frame = { site: this.#options.title ?? this.#installation.title, entries, path: request.path, reader };
    return document({ ...frame, style: style.path, script: script.path }, page);
  }
}

/** The page that somebody reads, or had before him when he sent a form. */
function hereOf({ method, path, querystring, from }: Pick<WebRequest, "path" | "querystring" | "method" | "from">) {
  return method === "POST" ? inside(from) : inside(`${path}${querystring === "" ? "" : `?${querystring}`}`);
}

function goTo(status: number, path: string): WebAnswer {
  return { status, headers: { Location: path, "Cache-Control": "no-store" }, body: "" };
}

/** Where a stream has to begin so that the page misses nothing; a recording has none. */
async function positionOf({ source, signal }: WebRequest): Promise<string | undefined> {
  const answer = await source.call("events.since", { limit: 1 }, signal).catch(() => undefined);
  return (answer as { next?: string } | undefined)?.next;
}

function tagOf(body: string | Buffer): string {
  return `"${createHash("sha256").update(body).digest("base64url").slice(0, 27)}"`;
}

function readable(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
