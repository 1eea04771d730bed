import type { BelfryError, Caller, CoreMethods, InjectionToken, Json, Scope } from "belfry";
import type { Html } from "./html.ts";
import type { Keys } from "./urls.ts";

/**
 * The pages of the master, for whoever wants to add to them. Resolve it in a service's `start`, from any
 * plugin's container; it is there as soon as this plugin is loaded.
 */
export const WEB = Symbol.for("belfry.web") as InjectionToken<Web>;

/**
 * Pages, snippets and links by type of object, and what stands on the pages. The pages of this package are
 * registered here like anybody's. Of several of one name the last one counts. Each function returns how
 * to take back what was given; then the one before counts again.
 */
export interface Web {
  page(page: PageDefinition): () => void;
  snippet(snippet: SnippetDefinition): () => void;
  link(link: LinkDefinition): () => void;
  navigation(entry: NavigationEntry): () => void;
  panel(panel: PanelDefinition): () => void;
  action(action: ActionDefinition): () => void;
  /** Says what stands where a page tells its reader who he is, and where he can sign in. */
  reader(reader: ReaderDefinition): () => void;
}

/** A page: of a type of object, or any other. */
export interface PageDefinition {
  /** The type of object that it shows, such as `build`, or a name of its own, such as `waterfall`. Links to it say this. */
  readonly name: string;
  /** Where it is, such as `/builders/:builder`; names are decoded. A literal segment goes before a name. */
  readonly path: string;
  /** What a link to it says where no other text is given. */
  label?(keys: Keys): string;
  /**
   * Makes the page for one request. Called any number of times at once. Asks nothing but `view`, so that it runs
   * on a recording, too. A BelfryError is shown as a page with its text and the status of its code.
   */
  render(view: View): Promise<Page | Redirect | Raw>;
}

export interface Page {
  /** For the window and the heading. */
  title: string;
  body: Html;
  /** What is above it, outermost first. */
  trail?: Html[];
  /** True for what will not change any more: it is kept by browsers, and its `ETag` is strong. */
  settled?: boolean;
  /** True for what changes without an event: it is made anew for every request. */
  fresh?: boolean;
  /** How wide it may be. Default `"text"`. */
  width?: "text" | "full";
}

/** Goes to another path of this server instead. */
export interface Redirect {
  redirect: string;
}

/** Something that is no page: a picture, a text. */
export interface Raw {
  type: string;
  content: string | Buffer | NodeJS.ReadableStream;
  settled?: boolean;
  headers?: Readonly<Record<string, string>>;
}

/** Which events change a snippet. */
export interface Live {
  /** Types or beginnings of types, as `events.since` has them: `["build.", "step.finished"]`. */
  types: readonly string[];
  /** Only events whose data has these values. */
  match?: Keys;
}

/** A part of pages that is fetched again, alone, when something has changed. */
export interface SnippetDefinition {
  readonly name: string;
  /** As {@link PageDefinition.render}; all that it depends on is in `keys`. `live` is left out for what will not change any more. */
  render(view: View, keys: Keys): Promise<Snippet>;
}

export interface Snippet {
  body: Html;
  live?: Live;
}

/** Where an object is shown, for types that have no page here. */
export interface LinkDefinition {
  readonly type: string;
  /** A path of this server, or `http:`, `https:` or `mailto:`; `undefined` for nowhere. */
  url(keys: Keys): string | undefined;
  label(keys: Keys): string;
}

export interface NavigationEntry {
  readonly title: string;
  readonly path: string;
  /** Entries come in this order, ours at 10, 20, 30 and so on. */
  readonly order: number;
  /** Only readers who have this scope are shown it. */
  readonly scope?: Scope;
}

/** Something that stands on somebody else's page. */
export interface PanelDefinition {
  readonly name: string;
  /** The name of the page: `build`, `builder`, `home` … */
  readonly page: string;
  /** Called with the page's keys. `null` for nothing. One that throws is left out, and logged. */
  render(view: View, keys: Keys): Promise<Html | null>;
}

/** Something that a form can do. */
export interface ActionDefinition {
  /** Forms are sent to `/do/NAME`. */
  readonly name: string;
  /** The API method it calls; who may not call it sees no form of it. */
  readonly method: string;
  /** Turns the fields of the form into the method's parameters. */
  params(fields: URLSearchParams, view: View): Json | Promise<Json>;
  /** Where to go when it is done; default: where the form was. */
  next?(answer: Json, view: View): string;
  /** What to show when it is done instead of going somewhere: for what is told only once. */
  done?(answer: Json, view: View): Page;
  /**
   * What to show where `params` or the method finds something that the sender can correct (status 400): the form again
   * with what was typed. Without it, or with `undefined`, the error is shown as a page.
   */
  refused?(error: BelfryError, fields: URLSearchParams, view: View): Promise<Page | undefined>;
}

export interface Reader {
  readonly caller: Pick<Caller, "name" | "kind" | "scopes">;
  /** The path and query of the page that he reads. */
  readonly here: string;
}

export interface ReaderDefinition {
  readonly name: string;
  /** What stands at the top of every page: who reads it, and how to sign in or out. Must answer at once. */
  render(reader: Reader): Html;
  /** The path where an anonymous reader is led who may not see a page; it brings him back to `here`. */
  signIn?(here: string): string;
}

/** Everything that a page is made from: what was asked for, by whom, and whom to ask. */
export interface View {
  /** The path and query of the request. */
  readonly here: string;
  /** The names in the path. */
  readonly keys: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly caller: Pick<Caller, "name" | "kind" | "scopes">;
  /** Aborts when the reader has gone. */
  readonly signal: AbortSignal;
  /** Calls an API method that only reads, as the reader of the page. The same question is asked once a request, but for lines of logs. Do not change the answer. */
  ask<M extends keyof CoreMethods>(method: M, params: CoreMethods[M]["params"]): Promise<CoreMethods[M]["result"]>;
  ask(method: string, params: Json): Promise<Json>;
  /** Gives the answer to a question that snippets of this page will ask, if another question has answered it already. */
  answered<M extends keyof CoreMethods>(
    method: M,
    params: CoreMethods[M]["params"],
    answer: CoreMethods[M]["result"],
  ): void;
  /** Whether the reader may call a method, as far as it is known before the call. */
  may(method: string): boolean;
  /** The path of the page of an object. */
  url(type: string, keys?: Keys, query?: Readonly<Record<string, string | number | undefined>>): string;
  /** A link to the page of an object. */
  link(type: string, keys: Keys, text?: Html): Html;
  /** A snippet, so that it stays up to date by itself. */
  snippet(name: string, keys?: Keys): Promise<Html>;
  /** What others have to say on this page. */
  panels(page: string, keys: Keys): Promise<Html>;
  /** A form that does something, or nothing for who may not. `fields` are sent along, unseen. */
  form(action: string, fields: Keys, content: Html): Html;
}
