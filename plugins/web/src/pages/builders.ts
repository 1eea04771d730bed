import type { CoreMethods, Result } from "belfry";
import type { View, Web } from "../extension.ts";
import { type Html, html } from "../html.ts";
import { type Named, named } from "../parts/named-builders.ts";
import { pager } from "../parts/pager.ts";
import { badge, count, mark, own, stateOf, wordOf } from "../parts/texts.ts";

/** So many builders on a page, each with so many of its last results. */
const PAGE = 30;
const STRIP = 15;
const MOST_TAGS = 40;

/** The list of builders. */
export function addBuilders(web: Web): void {
  web.page({
    name: "builders",
    path: "/builders",
    label: () => "Builders",
    async render(view) {
      const wish = {
        q: view.query.get("q") ?? "",
        tag: view.query.get("tag") ?? "",
        project: view.query.get("project") ?? "",
      };
      const all = await named(view);
      const fitting = all.filter((one) => fits(one, wish));
      const page = Math.max(1, Math.min(Number(view.query.get("page")) || 1, Math.ceil(fitting.length / PAGE)));
      const shown = fitting.slice((page - 1) * PAGE, page * PAGE);
      await overview(
        view,
        shown.map(({ name }) => name),
      );
      const rows = await Promise.all(shown.map(({ name }) => view.snippet("builder.row", { builder: name })));
      return {
        title: "Builders",
        width: "full",
        body: html`
          ${filters(all, wish)}
          <p class="found">${fitting.length === all.length ? count(all.length, "builder") : `${fitting.length} of ${count(all.length, "builder")}`}</p>
          ${all.length === 0 && html`<p class="empty">This master has no builders yet. They are the list <code>builders</code> in its configuration.</p>`}
          ${all.length > 0 && fitting.length === 0 && html`<p class="empty">No builder fits. <a href=${view.url("builders")}>Show all</a></p>`}
          <ol class="rows">${rows.map((row) => html`<li>${row}</li>`)}</ol>
          ${pager(page, Math.ceil(fitting.length / PAGE), (n) => view.url("builders", {}, { ...wish, page: n === 1 ? undefined : n }))}`,
      };
    },
  });

  web.snippet({
    name: "builder.row",
    async render(view, { builder = "" }) {
      const name = String(builder);
      const facts = await view.ask("builders.get", ofRow(name));
      const { running = [], pending = 0, recent = [], paused, project, tags, description } = facts;
      const newest = recent.find(({ state }) => state === "finished");
      return {
        live: {
          types: ["build.assigned", "build.started", "build.finished", "builder.", "request."],
          match: { builder: name },
        },
        body: html`<div class="row builder">
          <span class="name">${view.link("builder", { builder: name }, own(name))}
            ${project !== "" && html` <span class="project">${own(project)}</span>`}</span>
          <span class="now">${
            running.length > 0
              ? html`${badge("running")} ${running.slice(0, 3).map(({ number }) => html`${view.link("build", { builder: name, number })} `)}`
              : newest === undefined
                ? badge("none")
                : view.link(
                    "build",
                    { builder: name, number: newest.number ?? 0 },
                    html`${badge(stateOf(newest))} #${newest.number}`,
                  )
          }</span>
          <span class="strip">${strip(view, name, recent)}</span>
          <span class="waiting">${paused && html`<span class="state cancelled"><span class="shape" aria-hidden="true">‖</span> paused</span> `}${pending > 0 && html`<a href=${view.url("requests", {}, { builder: name })}>${pending} waiting</a>`}</span>
          <span class="more">${description !== "" && html`<span class="by">${own(description)}</span> `}${tags.map((tag) => html`<a class="tag" href=${view.url("builders", {}, { tag })}>${own(tag)}</a> `)}</span>
        </div>`,
      };
    },
  });

  web.navigation({ title: "Builders", path: "/builders", order: 20 });
}

type RowQuestion = CoreMethods["builders.get"]["params"];

const ofRow = (builder: string): RowQuestion => ({
  builder,
  include: ["running", "pending", "recent"],
  recent: STRIP,
});

/** All rows by one question. */
async function overview(view: View, names: string[]): Promise<void> {
  if (names.length === 0) return;
  const { builder: _, ...details } = ofRow("");
  const { items } = await view.ask("builders.list", { builders: names, ...details, limit: PAGE });
  for (const item of items) {
    if (item.name !== undefined)
      view.answered("builders.get", ofRow(item.name), item as CoreMethods["builders.get"]["result"]);
  }
}

interface Recent {
  number?: number;
  state?: string;
  result?: Result | null;
  summary?: string;
}

/** The last results of a builder, the oldest at the left. */
export function strip(view: View, builder: string, builds: readonly Recent[]): Html {
  return [...builds].reverse().map((build) => {
    const state = stateOf(build);
    const title = `#${build.number} ${wordOf(state)}${build.summary ? `: ${build.summary}` : ""}`;
    return view.link("build", { builder, number: build.number ?? 0 }, mark(state, title));
  });
}

function fits({ name, project, tags }: Named, wish: { q: string; tag: string; project: string }): boolean {
  return (
    name.toLowerCase().includes(wish.q.trim().toLowerCase()) &&
    (wish.tag === "" || tags.includes(wish.tag)) &&
    (wish.project === "" || project === wish.project)
  );
}

function filters(all: readonly Named[], { q, tag, project }: { q: string; tag: string; project: string }): Html {
  const tags = [...new Set(all.flatMap((one) => one.tags))].sort().slice(0, MOST_TAGS);
  const projects = [...new Set(all.map((one) => one.project))].filter((one) => one !== "").sort();
  const options = (names: string[], chosen: string) =>
    [...new Set(chosen === "" ? names : [...names, chosen])].map(
      (name) => html`<option value=${name} selected=${name === chosen}>${name}</option>`,
    );
  return html`<form method="get" action="/builders" role="search" class="filters">
    <label>Name <input type="search" name="q" value=${q} /></label>
    ${tags.length > 0 && html`<label>Tag <select name="tag"><option value="">any</option>${options(tags, tag)}</select></label>`}
    ${projects.length > 0 && html`<label>Project <select name="project"><option value="">any</option>${options(projects, project)}</select></label>`}
    <button>Show</button>
  </form>`;
}
