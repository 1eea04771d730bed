import type { View } from "../extension.ts";
import { type Html, html } from "../html.ts";
import { named } from "./named-builders.ts";

/** So many builders stand beside each other at most; who has more chooses. */
const MOST = 40;

export interface Columns {
  names: string[];
  /** How many more there are that fit. */
  left: number;
  /** What was chosen, to be kept in links. */
  chosen: { q: string; tag: string; project: string; branch: string };
}

/** The builders that a page with columns is about. The query of a page and the keys of its snippet have the same names. */
export async function columnsOf(view: View): Promise<Columns> {
  const text = (name: string) => view.query.get(name) ?? "";
  const chosen = { q: text("q"), tag: text("tag"), project: text("project"), branch: text("branch") };
  const fitting = (await named(view)).filter(
    ({ name, tags, project }) =>
      name.toLowerCase().includes(chosen.q.toLowerCase()) &&
      (chosen.tag === "" || tags.includes(chosen.tag)) &&
      (chosen.project === "" || project === chosen.project),
  );
  return { names: fitting.slice(0, MOST).map(({ name }) => name), left: Math.max(0, fitting.length - MOST), chosen };
}

export function chooser(action: string, { chosen, left }: Columns): Html {
  const fields = [
    ["q", "Builder"],
    ["tag", "Tag"],
    ["project", "Project"],
    ["branch", "Branch"],
  ] as const;
  return html`<form method="get" action=${action} role="search" class="filters">
      ${fields.map(([name, label]) => html`<label>${label} <input name=${name} value=${chosen[name]} size="12" /></label>`)}
      <button>Show</button>
    </form>
    ${left > 0 && html`<p class="found">There are ${left} more builders; choose which to show.</p>`}`;
}
