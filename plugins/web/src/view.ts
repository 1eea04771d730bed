import { BelfryError, type Caller, type CoreMethods, type Json, messageOf } from "belfry";
import { faults } from "./errors.ts";
import type { View } from "./extension.ts";
import { breathe, type Html, html, writtenNow } from "./html.ts";
import type { Site } from "./site.ts";
import { type Keys, outside, search, snippetPath } from "./urls.ts";

/** Whom pages ask: the API as the reader of the page, or a recording of it. */
export interface Source {
  call(method: string, params: Json, signal: AbortSignal): Promise<Json>;
  may(method: string): boolean;
}

export interface ViewParts {
  site: Site;
  source: Source;
  caller: Pick<Caller, "name" | "kind" | "scopes">;
  path: string;
  querystring: string;
  keys: Record<string, string>;
  signal: AbortSignal;
  /** What forms of this reader have to bring back. */
  formKey: string;
  onPanelFault(panel: string, message: string): void;
}

/** One request for a page or a snippet. */
export class RequestView implements View {
  readonly here: string;
  readonly keys: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly caller: View["caller"];
  readonly signal: AbortSignal;
  /** Whether anything on it changes. */
  live = false;
  /** Whether it has a form, which is good for its reader only. */
  formed = false;
  readonly #parts: ViewParts;
  readonly #answers = new Map<string, Promise<Json>>();

  constructor(parts: ViewParts) {
    this.#parts = parts;
    this.query = new URLSearchParams(parts.querystring);
    this.here = parts.path + (parts.querystring === "" ? "" : `?${parts.querystring}`);
    this.keys = parts.keys;
    this.caller = parts.caller;
    this.signal = parts.signal;
  }

  ask<M extends keyof CoreMethods>(method: M, params: CoreMethods[M]["params"]): Promise<CoreMethods[M]["result"]>;
  ask(method: string, params: Json): Promise<Json>;
  ask(method: string, params: unknown): Promise<never> {
    // A download reads any number of lines: these are not kept.
    if (method === "logs.read") return this.#parts.source.call(method, params as Json, this.signal) as Promise<never>;
    const question = `${method} ${JSON.stringify(params)}`;
    let answer = this.#answers.get(question);
    if (answer === undefined) {
      // A database that answers at once would have many pages made in one go.
      answer = breathe().then(() => this.#parts.source.call(method, params as Json, this.signal));
      this.#answers.set(question, answer);
    }
    return answer as Promise<never>;
  }

  answered(method: string, params: object, answer: unknown): void {
    this.#answers.set(`${method} ${JSON.stringify(params)}`, Promise.resolve(answer as Json));
  }

  may(method: string): boolean {
    return this.#parts.source.may(method);
  }

  url(type: string, keys: Keys = {}, query: Readonly<Record<string, string | number | undefined>> = {}): string {
    return `${this.#parts.site.whereIs(type, keys).url ?? "/"}${search(query)}`;
  }

  link(type: string, keys: Keys, text?: Html): Html {
    const { url, label } = this.#parts.site.whereIs(type, keys);
    const safe = url?.startsWith("/") ? url : outside(url);
    const shown = text ?? label;
    return safe === undefined ? html`<span>${shown}</span>` : html`<a href=${safe}>${shown}</a>`;
  }

  async snippet(name: string, keys: Keys = {}): Promise<Html> {
    const snippet = this.#parts.site.getSnippet(name);
    if (snippet === undefined) throw faults.typeUnknown(name);
    const { body, live } = await snippet.render(this, keys);
    const content = await writtenNow(body);
    if (live === undefined) return html`<div class="snippet" data-name=${name} ...${content}></div>`;
    this.live = true;
    const url = snippetPath(name, keys);
    return html`<div class="snippet" data-name=${name} data-snippet=${url} data-live=${JSON.stringify(live)} ...${content}></div>`;
  }

  async panels(page: string, keys: Keys): Promise<Html> {
    const panels = this.#parts.site.panelsOf(page);
    const made = panels.map(async ({ name, render }) => {
      try {
        const body = await render(this, keys);
        return body === null ? null : html`<section class="panel" data-panel=${name}>${body}</section>`;
      } catch (error) {
        if (!this.signal.aborted && !BelfryError.is(error)) this.#parts.onPanelFault(name, messageOf(error));
        return null;
      }
    });
    return Promise.all(made);
  }

  form(action: string, fields: Keys, content: Html): Html {
    const definition = this.#parts.site.getAction(action);
    if (definition === undefined) throw faults.typeUnknown(action);
    if (!this.may(definition.method)) return null;
    this.formed = true;
    const hidden = Object.entries({ _form: this.#parts.formKey, ...fields });
    return html`<form method="post" action=${`/do/${encodeURIComponent(action)}`} class="action">
      ${hidden.map(([name, value]) => html`<input type="hidden" name=${name} value=${String(value)} />`)}
      ${content}
    </form>`;
  }
}
