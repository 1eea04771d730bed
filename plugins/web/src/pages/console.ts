import type { CoreMethods } from "belfry";
import type { View, Web } from "../extension.ts";
import { type Html, html } from "../html.ts";
import { type Columns, chooser, columnsOf } from "../parts/columns.ts";
import { onward } from "../parts/pager.ts";
import { mark, moment, own, shortRevision, stateOf, wordOf } from "../parts/texts.ts";
import type { Keys } from "../urls.ts";

const CHANGES = 30;
const REVISIONS = 12;
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
        const keys = {
          ...columns.chosen,
          revision: view.query.get("revision") ?? "",
          cursor: view.query.get("cursor") ?? "",
        };
        return {
          title,
          width: "full",
          body: html`${chooser(view.url(name), columns)}
            ${name === "console" && finder(view, keys.revision)} ${await view.snippet(`${name}.table`, keys)}`,
        };
      },
    });
  page("console", "Console");
  page("grid", "Grid");
  page("tgrid", "Grid, turned");
  web.navigation({ title: "Console", path: "/console", order: 35 });
  web.snippet({ name: "console.table", render: changesTable });
  web.snippet({ name: "grid.table", render: (view) => grid(view, false) });
  web.snippet({ name: "tgrid.table", render: (view) => grid(view, true) });
}

function finder(view: View, revision: string): Html {
  return html`<form method="get" action=${view.url("console")} role="search" class="filters">
    <label>Which builds tested revision <input name="revision" value=${revision} /></label> <button>Find</button>
    <span>${view.link("grid", {}, "grid")} · ${view.link("tgrid", {}, "turned")}</span>
  </form>`;
}

async function changesTable(view: View, { revision = "", cursor = "" }: Keys) {
  const columns = await columnsOf(view);
  const { branch } = columns.chosen;
  const { items, next } = await view.ask("changes.list", {
    limit: CHANGES,
    ...(branch !== "" && { branch }),
    ...(revision !== "" && { revision: String(revision) }),
    ...(cursor !== "" && { cursor: String(cursor) }),
  });
  const wanted = [...new Set(items.map((change) => change.revision).filter((one) => typeof one === "string"))];
  // A revision may have been built without a change that told of it.
  if (revision !== "" && !wanted.includes(String(revision))) wanted.push(String(revision));
  const results = new Map(await Promise.all(wanted.map(async (one) => [one, await testedBy(view, one)] as const)));
  const lost = revision !== "" && items.length === 0 ? results.get(String(revision)) : undefined;
  const body = html`
    ${items.length === 0 && (lost?.size ?? 0) === 0 && html`<p class="empty">No change is here, and no build of it.</p>`}
    ${matrix(view, columns, [
      ...items.map(({ id = 0, author, comments, when, ...change }) => ({
        head: html`${view.link("change", { change: id }, own(shortRevision(change.revision) || `change ${id}`))} ${own(change.branch)} <b>${own(author)}</b> ${moment(when)}<div>${own(comments?.split("\n", 1)[0])}</div>`,
        builds: results.get(change.revision ?? "") ?? new Map<string, Builds>(),
      })),
      ...(lost !== undefined && lost.size > 0 ? [{ head: own(shortRevision(String(revision))), builds: lost }] : []),
    ])}
    ${onward(next, cursor === "", (at) => view.url("console", {}, { ...columns.chosen, revision: String(revision), cursor: at }))}`;
  return cursor === "" ? { body, live: LIVE } : { body };
}

async function grid(view: View, turned: boolean) {
  const columns = await columnsOf(view);
  const { branch } = columns.chosen;
  const { items } = await view.ask("builds.list", {
    limit: 500,
    fields: ["revision", "builder"],
    ...(branch !== "" && { branch }),
  });
  const shown = new Set(columns.names);
  const revisions = [
    ...new Set(items.filter(({ builder }) => shown.has(builder ?? "")).map(({ revision }) => revision)),
  ]
    .filter((one) => typeof one === "string")
    .slice(0, REVISIONS);
  const results = await Promise.all(revisions.map((one) => testedBy(view, one)));
  const heads = revisions.map((one) => html`<code title=${one}>${own(shortRevision(one))}</code>`);
  const body = html`
    ${revisions.length === 0 && html`<p class="empty">No revision was built yet.</p>`}
    ${
      turned
        ? matrix(
            view,
            columns,
            revisions.map((_, i) => ({ head: heads[i], builds: results[i] ?? new Map<string, Builds>() })),
          )
        : html`<div class="scroll" tabindex="0" role="region" aria-label="Grid"><table class="matrix">
            <thead><tr><th scope="col">Builder</th>${heads.map((head) => html`<th scope="col">${head}</th>`)}</tr></thead>
            <tbody>${columns.names.map((name) => html`<tr><th scope="row">${view.link("builder", { builder: name }, own(name))}</th>${results.map((one) => html`<td>${marks(view, name, one.get(name))}</td>`)}</tr>`)}</tbody>
          </table></div>`
    }`;
  return { body, live: LIVE };
}

/** Rows by builders. */
function matrix(view: View, { names }: Columns, rows: { head: Html; builds: ByBuilder }[]): Html {
  if (rows.length === 0) return null;
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Results"><table class="matrix">
    <thead><tr><th scope="col">Revision</th>${names.map((name) => html`<th scope="col">${view.link("builder", { builder: name }, own(name))}</th>`)}</tr></thead>
    <tbody>${rows.map(({ head, builds }) => html`<tr><th scope="row">${head}</th>${names.map((name) => html`<td>${marks(view, name, builds.get(name))}</td>`)}</tr>`)}</tbody>
  </table></div>`;
}

function marks(view: View, builder: string, builds: Builds = []): Html {
  return builds.slice(0, 3).map(({ number = 0, ...build }) => {
    const state = stateOf(build);
    return view.link("build", { builder, number }, mark(state, `#${number} ${wordOf(state)}`));
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
