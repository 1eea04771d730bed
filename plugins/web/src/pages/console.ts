import type { CoreMethods } from "belfry";
import type { View, Web } from "../extension.ts";
import { type Html, html } from "../html.ts";
import { type Columns, chooser, columnsOf, noColumns } from "../parts/columns.ts";
import { onward } from "../parts/pager.ts";
import { finder, tested } from "../parts/tested-by.ts";
import { mark, moment, own, person, shortRevision, stateOf, wordOf } from "../parts/texts.ts";
import type { Keys } from "../urls.ts";

const CHANGES = 30;
const REVISIONS = 12;
const TITLES: Record<string, string> = { console: "Console", grid: "Grid", tgrid: "Grid, turned" };
const LIVE = { types: ["build.assigned", "build.finished", "change.added"] };

type Builds = CoreMethods["builds.list"]["result"]["items"];
/** The builds of each builder, the newest first. */
type ByBuilder = Map<string, Builds>;

/** What came of each change, or of each of the last revisions, at every builder. */
export function addConsole(web: Web): void {
  const page = (name: string, title: string) =>
    web.page({
      name,
      path: `/${name}`,
      label: () => title,
      async render(view) {
        const columns = await columnsOf(view);
        const [revision, author, cursor] = ["revision", "author", "cursor"].map((key) => view.query.get(key) ?? "");
        const console = name === "console";
        const who = console && html`<label>Person <input name="author" value=${author} size="14" /></label>`;
        return {
          title,
          width: "full",
          body: html`<nav class="others" aria-label="Results by builder">${["console", "grid", "tgrid"].map((other, i) => html`${i > 0 && " · "}<a href=${view.url(other)} aria-current=${other === name ? "page" : undefined}>${TITLES[other]}</a>`)}</nav>
            <div class="forms">${console && finder(view, revision ?? "")} ${!(console && revision) && chooser(view.url(name), columns, who)}</div>
            ${console && revision ? await view.snippet("console.tested", { revision }) : html`${await view.snippet(`${name}.table`, { ...columns.chosen, ...(console && { author: author ?? "", cursor: cursor ?? "" }) })}`}
            ${await view.panels(name, {})}`,
        };
      },
    });
  for (const [name, title] of Object.entries(TITLES)) page(name, title);
  web.navigation({ title: "Console", path: "/console", order: 35 });
  web.snippet({ name: "console.table", render: changesTable });
  web.snippet({ name: "console.tested", render: tested });
  web.snippet({ name: "grid.table", render: (view) => grid(view, false) });
  web.snippet({ name: "tgrid.table", render: (view) => grid(view, true) });
}

async function changesTable(view: View, { author = "", cursor = "" }: Keys) {
  const columns = await columnsOf(view);
  const { branch, project } = columns.chosen;
  if (columns.names.length === 0) return { body: noColumns(view, "console", columns), live: LIVE };
  const { items, next } = await view.ask("changes.list", {
    limit: CHANGES,
    ...(branch !== "" && { branch }),
    ...(author !== "" && { author: String(author).slice(0, 200) }),
    ...(cursor !== "" && { cursor: String(cursor) }),
  });
  // A change that tells of no project may be built by any.
  const shown = items.filter((change) => project === "" || !change.project || change.project === project);
  const wanted = [...new Set(shown.map((change) => change.revision).filter((one) => typeof one === "string"))];
  const results = new Map(await Promise.all(wanted.map(async (one) => [one, await testedBy(view, one)] as const)));
  const body = html`
    ${shown.length === 0 && html`<p class="empty">${noChange([branch, project, String(author)], next !== null)}</p>`}
    ${matrix(
      view,
      columns,
      shown.map(({ id = 0, comments, when, ...change }) => ({
        head: html`<div>${view.link("change", { change: id }, own(shortRevision(change.revision).slice(0, 8) || `change ${id}`))} <b>${person(change.author)}</b> <span class="by">${own(change.branch)} · ${moment(when)}</span></div><div class="by">${own(comments?.split("\n", 1)[0])}</div>`,
        builds: results.get(change.revision ?? "") ?? new Map<string, Builds>(),
      })),
    )}
    ${onward(next, cursor === "", (at) => view.url("console", {}, { ...columns.chosen, author: String(author), cursor: at }))}`;
  return cursor === "" ? { body, live: LIVE } : { body };
}

function noChange(wanted: string[], more: boolean): string {
  if (wanted.every((text) => text === "")) return "No change is here.";
  return `No change ${more ? "among these" : "here"} fits what was chosen.`;
}

async function grid(view: View, turned: boolean) {
  const columns = await columnsOf(view);
  const { names, chosen } = columns;
  if (names.length === 0) return { body: noColumns(view, turned ? "tgrid" : "grid", columns), live: LIVE };
  const { items } = await view.ask("builds.list", {
    builders: names,
    limit: 500,
    fields: ["revision"],
    ...(chosen.branch !== "" && { branch: chosen.branch }),
  });
  const revisions = [...new Set(items.map(({ revision }) => revision))]
    .filter((one) => typeof one === "string")
    .slice(0, REVISIONS);
  const results = await Promise.all(revisions.map((one) => testedBy(view, one)));
  const head = (revision: string) =>
    html`<a href=${view.url("console", {}, { revision })}><code title=${revision}>${own(shortRevision(revision))}</code></a>`;
  const body = html`
    ${revisions.length === 0 && html`<p class="empty">No revision${chosen.branch !== "" && html` of the branch ${own(chosen.branch)}`} was built yet by these builders.</p>`}
    ${
      turned
        ? matrix(
            view,
            columns,
            revisions.map((one, i) => ({ head: head(one), builds: results[i] ?? new Map<string, Builds>() })),
          )
        : revisions.length > 0 &&
          html`<div class="scroll tall" tabindex="0" role="region" aria-label="Grid"><table class="matrix grid">
            <thead><tr><th scope="col">Builder</th>${revisions.map((one) => html`<th scope="col" class="slim">${head(one)}</th>`)}</tr></thead>
            <tbody>${names.map((name) => html`<tr><th scope="row">${view.link("builder", { builder: name }, own(name))}</th>${results.map((one) => html`<td>${marks(view, name, one.get(name))}</td>`)}</tr>`)}</tbody>
          </table></div>`
    }`;
  return { body, live: LIVE };
}

/** Rows by builders. */
function matrix(view: View, { names }: Columns, rows: { head: Html; builds: ByBuilder }[]): Html {
  if (rows.length === 0) return null;
  return html`<div class="scroll tall" tabindex="0" role="region" aria-label="Results"><table class="matrix">
    <thead><tr><th scope="col">Revision</th>${names.map((name) => html`<th scope="col" class="slim">${view.link("builder", { builder: name }, own(name))}</th>`)}</tr></thead>
    <tbody>${rows.map(({ head, builds }) => html`<tr><th scope="row">${head}</th>${names.map((name) => html`<td>${marks(view, name, builds.get(name))}</td>`)}</tr>`)}</tbody>
  </table></div>`;
}

function marks(view: View, builder: string, builds: Builds = []): Html {
  return builds.slice(0, 3).map(({ number = 0, ...build }) => {
    const state = stateOf(build);
    return view.link("build", { builder, number }, mark(state, `${builder} #${number} ${wordOf(state)}`));
  });
}

/** Which builds tested a revision, however old it is. */
async function testedBy(view: View, revision: string): Promise<ByBuilder> {
  const { items } = await view.ask("builds.list", {
    revision,
    limit: 200,
    fields: ["builder", "number", "state", "result"],
  });
  return Map.groupBy(items, ({ builder }) => builder ?? "");
}
