import type { View } from "../extension.ts";
import { type Html, html } from "../html.ts";
import { type Named, named } from "./named-builders.ts";

/** So many builders stand beside each other at most; who has more chooses. */
const MOST = 40;
const MOST_OPTIONS = 200;

export interface Columns {
  /** In the order of the configuration. */
  names: string[];
  /** How many builders there are in all. */
  all: number;
  paused: ReadonlySet<string>;
  /** How many more there are that fit. */
  left: number;
  tags: string[];
  projects: string[];
  /** What was chosen, to be kept in links. */
  chosen: { q: string; tag: string; project: string; branch: string };
}

/** The builders that a page with columns is about. The query of a page and the keys of its snippet have the same names. */
export async function columnsOf(view: View): Promise<Columns> {
  const text = (name: string) => view.query.get(name) ?? "";
  const chosen = { q: text("q").trim(), tag: text("tag"), project: text("project"), branch: text("branch").trim() };
  const all = await named(view);
  const fitting = all
    .filter(
      ({ name, tags, project }) =>
        name.toLowerCase().includes(chosen.q.toLowerCase()) &&
        (chosen.tag === "" || tags.includes(chosen.tag)) &&
        (chosen.project === "" || project === chosen.project),
    )
    .sort((a, b) => (a.position ?? 0) - (b.position ?? 0));
  const shown = fitting.slice(0, MOST);
  return {
    names: shown.map(({ name }) => name),
    all: all.length,
    paused: new Set(shown.filter(({ paused }) => paused).map(({ name }) => name)),
    left: Math.max(0, fitting.length - MOST),
    tags: several(all, ({ tags }) => tags),
    projects: several(all, ({ project }) => (project === "" ? [] : [project])),
    chosen,
  };
}

const several = (all: readonly Named[], of: (one: Named) => string[]): string[] =>
  [...new Set(all.flatMap(of))].sort().slice(0, MOST_OPTIONS);

/** What of the farm a page shows; `more` are further fields of the page. */
export function chooser(action: string, { chosen, left, tags, projects }: Columns, more: Html = null): Html {
  return html`<form method="get" action=${action} role="search" class="filters">
      <label>Builder <input name="q" value=${chosen.q} size="14" /></label>
      ${tags.length > 0 && choice("tag", "Tag", tags, chosen.tag)}
      ${projects.length > 0 && choice("project", "Project", projects, chosen.project)}
      <label>Branch <input name="branch" value=${chosen.branch} size="14" /></label>
      ${more}
      <button>Show</button>
    </form>
    ${left > 0 && html`<p class="found">There are ${left} more builders; choose which to show.</p>`}`;
}

/** What stands where the columns would be when there are none; `page` is the one that shows all. */
export function noColumns(view: View, page: string, { all }: Columns): Html {
  return all === 0
    ? html`<p class="empty">This master has no builders yet. They are the list <code>builders</code> in its configuration.</p>`
    : html`<p class="empty">No builder fits. <a href=${view.url(page)}>Show all</a></p>`;
}

function choice(name: string, label: string, options: readonly string[], chosen: string): Html {
  const all = chosen === "" || options.includes(chosen) ? options : [...options, chosen];
  return html`<label>${label} <select name=${name}><option value="">any</option>${all.map((one) => html`<option value=${one} selected=${one === chosen}>${one}</option>`)}</select></label>`;
}
