import { faults } from "./errors.ts";
import type {
  ActionDefinition,
  LinkDefinition,
  NavigationEntry,
  PageDefinition,
  PanelDefinition,
  ReaderDefinition,
  SnippetDefinition,
  Web,
} from "./extension.ts";
import { fill, inside, type Keys, nameOf } from "./urls.ts";

const PATH = /^\/(?:(?:[A-Za-z0-9._-]+|:\w+)(?:\/(?:[A-Za-z0-9._-]+|:\w+))*)?$/;

/** No page lies deeper. */
const MOST_PARTS = 20;

/** A page that is near to what was asked for. */
export interface Near {
  path: string;
  label: string;
}

/** Things by name; of several of one name the last one counts. */
class Shelf<T> {
  readonly #named = new Map<string, T[]>();
  readonly #onChange: () => void;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  add(name: string, thing: T): () => void {
    this.#named.set(name, [...(this.#named.get(name) ?? []), thing]);
    this.#onChange();
    return () => {
      this.#onChange();
      const left = (this.#named.get(name) ?? []).filter((other) => other !== thing);
      if (left.length === 0) this.#named.delete(name);
      else this.#named.set(name, left);
    };
  }

  get(name: string): T | undefined {
    return this.#named.get(name)?.at(-1);
  }

  all(): T[] {
    return [...this.#named.values()].map((things) => things.at(-1) as T);
  }
}

export interface Found {
  page: PageDefinition;
  keys: Record<string, string>;
}

/** All that is registered. Lives as long as the master. */
export class Site implements Web {
  readonly #onChange = (): void => {
    this.#version += 1;
  };
  #version = 0;
  readonly #pages = new Shelf<PageDefinition>(this.#onChange);
  readonly #snippets = new Shelf<SnippetDefinition>(this.#onChange);
  readonly #links = new Shelf<LinkDefinition>(this.#onChange);
  readonly #panels = new Shelf<PanelDefinition>(this.#onChange);
  readonly #actions = new Shelf<ActionDefinition>(this.#onChange);
  readonly #readers = new Shelf<ReaderDefinition>(this.#onChange);
  readonly #entries = new Shelf<NavigationEntry>(this.#onChange);

  /** Another number whenever something was added or taken back. */
  get version(): number {
    return this.#version;
  }

  page(page: PageDefinition): () => void {
    if (!PATH.test(page.path)) throw faults.pathInvalid(page.path);
    return this.#pages.add(page.name, page);
  }

  snippet(snippet: SnippetDefinition): () => void {
    return this.#snippets.add(snippet.name, snippet);
  }

  link(link: LinkDefinition): () => void {
    return this.#links.add(link.type, link);
  }

  navigation(entry: NavigationEntry): () => void {
    return this.#entries.add(entry.title, entry);
  }

  panel(panel: PanelDefinition): () => void {
    return this.#panels.add(panel.name, panel);
  }

  action(action: ActionDefinition): () => void {
    return this.#actions.add(action.name, action);
  }

  reader(reader: ReaderDefinition): () => void {
    return this.#readers.add(reader.name, reader);
  }

  /** Who says who reads; the one that came last. */
  getReader(): ReaderDefinition | undefined {
    return this.#readers.all().at(-1);
  }

  /** The page at a path, encoded as it was sent. */
  at(path: string): Found | undefined {
    const segments = path.split("/").slice(1);
    let best: (Found & { literals: string }) | undefined;
    for (const page of this.#pages.all()) {
      const parts = page.path.split("/").slice(1);
      if (parts.length !== segments.length) continue;
      const keys = matched(parts, segments);
      if (keys === undefined) continue;
      // Earlier literals go first: "0" is less than "1".
      const literals = parts.map((part) => (part.startsWith(":") ? "1" : "0")).join("");
      if (best === undefined || literals < best.literals) best = { page, keys, literals };
    }
    return best;
  }

  /**
   * Pages that may have been meant by a path at which nothing is: the nearest one without keys, in whatever letters, and
   * those of what it would belong to, outermost first, such as a log's builder and build.
   */
  near(path: string): Near[] {
    const near: Near[] = [];
    const parts = path.split("/").slice(0, MOST_PARTS);
    const above = parts.map((_, i) => parts.slice(0, i + 1).join("/")).filter((one) => inside(one) === one);
    const fixed = above.toReversed().map((one) => this.at(one.toLowerCase())?.page);
    const found = fixed.find((page) => page !== undefined && !page.path.includes(":"));
    if (found !== undefined) near.push({ path: found.path, label: found.label?.({}) ?? found.name });
    for (const one of above.slice(0, parts.length - 2)) {
      const { page, keys } = this.at(one) ?? {};
      if (page?.label === undefined || keys === undefined || Object.keys(keys).length === 0) continue;
      const said = page.label(keys);
      near.push({ path: one, label: said.startsWith(page.name) ? said : `${page.name} ${said}` });
    }
    return near;
  }

  getSnippet(name: string): SnippetDefinition | undefined {
    return this.#snippets.get(name);
  }

  getAction(name: string): ActionDefinition | undefined {
    return this.#actions.get(name);
  }

  panelsOf(page: string): PanelDefinition[] {
    return this.#panels.all().filter((panel) => panel.page === page);
  }

  entries(): NavigationEntry[] {
    return this.#entries.all().sort((a, b) => a.order - b.order);
  }

  /** Where an object is shown, if anywhere, and what a link to it says. A link that was registered goes before a page. */
  whereIs(type: string, keys: Keys): { url: string | undefined; label: string } {
    const link = this.#links.get(type);
    if (link !== undefined) return { url: link.url(keys), label: link.label(keys) };
    const page = this.#pages.get(type);
    if (page === undefined) return { url: undefined, label: [type, ...Object.values(keys)].join(" ") };
    return { url: fill(page.path, keys), label: page.label?.(keys) ?? page.name };
  }
}

function matched(parts: readonly string[], segments: readonly string[]): Record<string, string> | undefined {
  const keys: Record<string, string> = {};
  for (const [i, part] of parts.entries()) {
    const given = segments[i] ?? "";
    if (!part.startsWith(":")) {
      if (part !== given) return undefined;
      continue;
    }
    const name = given === "" ? undefined : nameOf(given);
    if (name === undefined) return undefined;
    keys[part.slice(1)] = name;
  }
  return keys;
}
