import type { CoreMethods } from "belfry";
import type { View, Web } from "../extension.ts";
import { type Html, html } from "../html.ts";
import { type Columns, chooser, columnsOf } from "../parts/columns.ts";
import { type Cell, cellsOf, type Lasting, lanesOf, momentsOf } from "../parts/lanes.ts";
import { badge, count, mark, moment, own, shortRevision, stateOf, took, wordOf } from "../parts/texts.ts";
import type { Keys } from "../urls.ts";

/** So many builds of each builder. */
const BUILDS = 8;
const CHANGES = 50;
const STEPS = 12;

type Items = CoreMethods["builds.list"]["result"]["items"];
interface Shown extends Lasting {
  build: Items[number];
}

/** Builders beside each other, time downwards. */
export function addWaterfall(web: Web): void {
  web.page({
    name: "waterfall",
    path: "/waterfall",
    label: () => "Waterfall",
    async render(view) {
      const columns = await columnsOf(view);
      const until = view.query.get("until") ?? "";
      return {
        title: "Waterfall",
        width: "full",
        body: html`${chooser(view.url("waterfall"), columns)} ${await view.snippet("waterfall.table", { ...columns.chosen, until })}`,
      };
    },
  });
  web.navigation({ title: "Waterfall", path: "/waterfall", order: 30 });
  web.snippet({ name: "waterfall.table", render: table });
}

async function table(view: View, keys: Keys) {
  const until = /^\d{1,15}$/.test(String(keys["until"])) ? Number(keys["until"]) : undefined;
  const columns = await columnsOf(view);
  const [lists, waiting, changes] = await Promise.all([
    Promise.all(columns.names.map((name) => buildsOf(view, name, columns, until))),
    Promise.all(columns.names.map((builder) => view.ask("builders.get", { builder, include: ["pending"] }))),
    view.ask("changes.list", {
      limit: CHANGES,
      ...(columns.chosen.branch !== "" && { branch: columns.chosen.branch }),
    }),
  ]);
  const moments = momentsOf(lists.flat());
  const rows = Math.max(1, moments.length);
  const lanes = lists.map((list) => lanesOf(list).map((lane) => cellsOf(lane, moments)));
  const byRow = Array.from({ length: rows }, (): Html[] => []);
  for (const [i, builder] of lanes.entries()) {
    for (const cells of builder)
      for (const cell of cells) byRow[cell.row]?.push(cellOf(view, columns.names[i] ?? "", cell));
  }
  const changed = changesByRow(changes.items, moments);
  const oldest = moments.at(-1);
  const body = html`${columns.names.length === 0 && html`<p class="empty">No builder fits.</p>`}
    <div class="scroll" tabindex="0" role="region" aria-label="Waterfall"><table class="waterfall">
      <thead>
        <tr><th scope="col">Time</th><th scope="col">Changes</th>
          ${columns.names.map((name, i) => html`<th scope="col" colspan=${lanes[i]?.length}>${view.link("builder", { builder: name }, own(name))}</th>`)}</tr>
        <tr><th scope="row" colspan="2">waiting</th>${waiting.map(({ pending = 0, paused }, i) => html`<td colspan=${lanes[i]?.length}>${paused && "paused "}${pending > 0 ? count(pending, "request") : ""}</td>`)}</tr>
      </thead>
      <tbody>${byRow.map(
        (cells, row) => html`<tr><th scope="row">${row === 0 ? "now" : moment(moments[row - 1])}</th>
          <td>${(changed[row] ?? []).map(({ id = 0, author, revision }) => html`<div>${view.link("change", { change: id }, own(shortRevision(revision) || `change ${id}`))} ${own(author)}</div>`)}</td>
          ${cells}</tr>`,
      )}</tbody>
    </table></div>
    ${oldest !== undefined && html`<nav class="pager" aria-label="Time"><a rel="next" href=${view.url("waterfall", {}, { ...columns.chosen, until: oldest })}>Older</a></nav>`}`;
  return until === undefined
    ? { body, live: { types: ["build.", "step.finished", "request.", "change.added", "builder."] } }
    : { body };
}

async function buildsOf(view: View, builder: string, { chosen }: Columns, until: number | undefined): Promise<Shown[]> {
  const { items } = await view.ask("builds.list", {
    builder,
    include: ["steps"],
    limit: BUILDS,
    ...(chosen.branch !== "" && { branch: chosen.branch }),
    ...(until !== undefined && { finishedUntil: until, order: "-finishedAt" as const }),
  });
  return items.map((build) => {
    const from = build.startedAt ?? build.assignedAt ?? 0;
    return { build, from, to: build.finishedAt == null ? null : Math.max(build.finishedAt, from + 1) };
  });
}

function cellOf(view: View, builder: string, { rows, thing }: Cell<Shown>): Html {
  if (thing === undefined) return html`<td rowspan=${rows} class="idle"></td>`;
  const { number = 0, steps = [], ...build } = thing.build;
  const state = stateOf(build);
  const shown = steps.filter(({ hidden }) => !hidden);
  return html`<td rowspan=${rows} class="cell">
    <div>${view.link("build", { builder, number })} ${badge(state)} ${took(thing.from, build.finishedAt)}</div>
    <div>${own(build.branch)} ${own(shortRevision(build.revision))}</div>
    ${shown.slice(-STEPS).map((step) => html`<div>${mark(stateOf({ state: "running", result: step.result }), wordOf(stateOf({ state: "running", result: step.result })))} ${own(step.name)}</div>`)}
    ${shown.length > STEPS && html`<div>and ${shown.length - STEPS} before</div>`}
  </td>`;
}

type Changes = CoreMethods["changes.list"]["result"]["items"];

function changesByRow(changes: Changes, moments: readonly number[]): Changes[] {
  const rows: Changes[] = [];
  for (const change of changes) {
    const row = moments.findIndex((one) => one < (change.when ?? 0));
    // What is older than all that is shown led to the first of it.
    const at = row === -1 ? Math.max(0, moments.length - 1) : row;
    rows[at] = [...(rows[at] ?? []), change];
  }
  return rows;
}
