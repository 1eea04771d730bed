import type { CoreMethods } from "belfry";
import type { View, Web } from "../extension.ts";
import { breathe, type Html, html, inPieces } from "../html.ts";
import { type Columns, chooser, columnsOf, noColumns } from "../parts/columns.ts";
import { type Lasting, momentsOf, spread, type WideCell } from "../parts/lanes.ts";
import { type Queued, queueAhead } from "../parts/queue-ahead.ts";
import { clock, mark, own, person, seconds, shortRevision, span, stateOf, took, wordOf } from "../parts/texts.ts";
import { fieldTime, timeFaults, timeOf } from "../parts/times.ts";
import type { Keys } from "../urls.ts";

/** So many builds that have ended are on one page. */
const BUILDS = 100;
const CHANGES = 100;
const STEPS = 12;
const QUEUED = 3;
/** Shorter times without a build are not worth a word. */
const IDLE = 60_000;
const FIELDS = [
  "id",
  "builder",
  "number",
  "state",
  "result",
  "branch",
  "revision",
  "assignedAt",
  "startedAt",
  "finishedAt",
] as const;

type Items = CoreMethods["builds.list"]["result"]["items"];
interface Shown extends Lasting {
  build: Items[number];
}
interface Time {
  from: number | undefined;
  until: number | undefined;
}

/** Builders beside each other, time downwards. */
export function addWaterfall(web: Web): void {
  web.page({
    name: "waterfall",
    path: "/waterfall",
    label: () => "Waterfall",
    async render(view) {
      const columns = await columnsOf(view);
      const [from, until] = [view.query.get("from") ?? "", view.query.get("until") ?? ""];
      const time = (name: string, label: string, text: string) =>
        html`<label><span>${label} (UTC)</span> <input type="datetime-local" name=${name} value=${fieldTime(timeOf(text))} data-utc=${label} /></label>`;
      return {
        title: "Waterfall",
        width: "full",
        body: html`${chooser(view.url("waterfall"), columns, [time("from", "From", from), time("until", "Until", until)])}
          ${timeFaults(from, until).map((fault) => html`<p class="fault" role="alert">${fault}</p>`)}
          ${await view.snippet("waterfall.table", { ...columns.chosen, from, until })} ${await view.panels("waterfall", {})}`,
      };
    },
  });
  web.navigation({ title: "Waterfall", path: "/waterfall", order: 30 });
  web.snippet({ name: "waterfall.table", render: table });
}

async function table(view: View, keys: Keys) {
  const time = { from: timeOf(String(keys["from"] ?? "")), until: timeOf(String(keys["until"] ?? "")) };
  const columns = await columnsOf(view);
  const { names } = columns;
  if (names.length === 0) return { body: noColumns(view, "waterfall", columns), live: { types: ["config.loaded"] } };
  const { running, ended, more } = await buildsOf(view, columns, time);
  const queues = time.until === undefined ? await queueAhead(view, running) : new Map<string, Queued[]>();
  const builds = Map.groupBy([...running, ...ended], ({ builder = "" }) => builder);
  const lists = names.map((name) => (builds.get(name) ?? []).map(lasting));
  const moments = momentsOf(lists.flat());
  const spreads = lists.map((list) => spread(list, moments));
  const byRow = Array.from({ length: Math.max(1, moments.length) }, (): Html[] => []);
  for (const [i, { cells }] of spreads.entries()) {
    await breathe();
    for (const cell of cells) byRow[cell.row]?.push(cellOf(view, names[i] ?? "", cell, moments));
  }
  const changed = changesByRow(await changesOf(view, columns, time, moments), moments);
  const rows = await inPieces(
    byRow,
    (cells, row) => html`<tr><th scope="row">${rowTime(moments, row, time.until)}</th>
      <td class="change">${(changed[row] ?? []).map((change) => changeOf(view, change))}</td>
      ${cells}</tr>`,
  );
  const body = html`${lists.every((list) => list.length === 0) && html`<p class="empty">${nothing(columns, time)}</p>`}
    <div class="scroll tall" tabindex="0" role="region" aria-label="Waterfall"><table class="waterfall">
      <thead>
        <tr><th scope="col" class="time">Time</th><th scope="col" class="change">Changes</th>
          ${names.map((name, i) => html`<th scope="col" colspan=${spreads[i]?.wide}>${view.link("builder", { builder: name }, own(name))} ${latest(builds.get(name))}${columns.paused.has(name) && html` <span class="state cancelled"><span class="shape" aria-hidden="true">‖</span> paused</span>`}</th>`)}</tr>
        ${queues.size > 0 && html`<tr><th scope="row" colspan="2">waiting, and about when it begins</th>${names.map((name, i) => html`<td colspan=${spreads[i]?.wide}>${queued(view, queues.get(name))}</td>`)}</tr>`}
      </thead>
      <tbody ...${rows}></tbody>
    </table></div>
    ${await throughTime(view, columns, time, more ? ended.at(-1)?.finishedAt : undefined)}`;
  return time.until === undefined
    ? { body, live: { types: ["build.", "step.finished", "request.", "change.added", "builder."] } }
    : { body };
}

function nothing({ chosen }: Columns, { from, until }: Time): string {
  const what = `No build${chosen.branch === "" ? "" : ` of the branch "${chosen.branch}"`} of these builders`;
  return from === undefined && until === undefined ? `${what} yet.` : `${what} ended in this time.`;
}

/** The ways to older and newer times; `oldest` is the end of the last build here where there are older ones. */
async function throughTime(view: View, columns: Columns, time: Time, oldest: number | null | undefined): Promise<Html> {
  const { from, until } = time;
  const at = (query: { from?: number | undefined; until?: number }) =>
    view.url("waterfall", {}, { ...columns.chosen, ...query });
  const newer = until === undefined ? undefined : await endOfNewer(view, columns, until);
  if (oldest == null && from === undefined && until === undefined) return null;
  return html`<nav class="pager" aria-label="Time">
    ${(from !== undefined || until !== undefined) && html`<a href=${at({})}>Newest</a>`}
    ${newer != null && html` <a rel="prev" href=${at({ from, until: newer })}>Newer</a>`}
    ${oldest != null && html` <a rel="next" href=${at({ from, until: oldest - 1 })}>Older</a>`}
  </nav>`;
}

/** Until when a page of the builds after a moment lasts; undefined if fewer are left than a page has. */
async function endOfNewer(view: View, { names, chosen }: Columns, until: number): Promise<number | null | undefined> {
  const { items } = await view.ask("builds.list", {
    builders: names,
    order: "finishedAt",
    finishedSince: until + 1,
    fields: ["finishedAt"],
    limit: BUILDS,
    ...(chosen.branch !== "" && { branch: chosen.branch }),
  });
  return items.length < BUILDS ? undefined : items.at(-1)?.finishedAt;
}

/** What runs now, and the last that ended within a time; the newest first. */
async function buildsOf(view: View, { names, chosen }: Columns, { from, until }: Time) {
  const which = { builders: names, ...(chosen.branch !== "" && { branch: chosen.branch }) };
  const of = (state: "running" | "assigned") =>
    until === undefined
      ? view.ask("builds.list", {
          ...which,
          state,
          fields: [...FIELDS],
          include: ["steps", "usualMillis"],
          limit: BUILDS,
        })
      : { items: [] };
  const [now, soon, ended] = await Promise.all([
    of("running"),
    of("assigned"),
    view.ask("builds.list", {
      ...which,
      order: "-finishedAt",
      fields: [...FIELDS],
      include: ["steps"],
      limit: BUILDS,
      ...(from !== undefined && { finishedSince: from }),
      ...(until !== undefined && { finishedUntil: until }),
    }),
  ]);
  return { running: [...now.items, ...soon.items], ended: ended.items, more: ended.next !== null };
}

async function changesOf(view: View, { chosen }: Columns, { from, until }: Time, moments: readonly number[]) {
  const { items } = await view.ask("changes.list", {
    limit: CHANGES,
    fields: ["id", "author", "comments", "revision", "branch", "added"],
    ...(chosen.branch !== "" && { branch: chosen.branch }),
    ...(from !== undefined && { addedSince: from }),
    ...(until !== undefined && { addedUntil: until }),
  });
  // The one before all that is shown led to the first of it.
  const oldest = moments.at(-1) ?? 0;
  const before = items.findIndex(({ added = 0 }) => added < oldest);
  return before === -1 ? items : items.slice(0, before + 1);
}

function lasting(build: Items[number]): Shown {
  const from = build.startedAt ?? build.assignedAt ?? 0;
  return { build, from, to: build.finishedAt == null ? null : Math.max(build.finishedAt, from + 1) };
}

function latest(builds: Items = []): Html {
  const ended = builds.find(({ finishedAt }) => finishedAt != null);
  return ended && mark(stateOf(ended), `last: ${wordOf(stateOf(ended))}`);
}

function queued(view: View, queue: readonly Queued[] = []): Html {
  return html`${queue.slice(0, QUEUED).map(({ request, begins }) => html`<div>${view.link("request", { request }, html`<span class="unseen">request </span>#${request}`)} ${begins !== undefined && html`≈ ${clock(begins)}`}</div>`)}
    ${queue.length > QUEUED && html`<div>and ${queue.length - QUEUED} more</div>`}`;
}

/** When a row begins, going down; with the date where that is another one than above. */
function rowTime(moments: readonly number[], row: number, until: number | undefined): Html {
  const at = row === 0 ? until : moments[row - 1];
  if (at === undefined) return "now";
  const above = row < 2 ? undefined : moments[row - 2];
  // In a row of the same minute as the one above the seconds tell more.
  if (above !== undefined && Math.floor(above / 60_000) === Math.floor(at / 60_000)) return seconds(at);
  const day = (millis: number | undefined) => millis !== undefined && Math.floor(millis / 86_400_000);
  return clock(at, row === 0 || (above !== undefined && day(above) !== day(at)));
}

function cellOf(
  view: View,
  builder: string,
  { row, rows, wide, apart, thing }: WideCell<Shown>,
  moments: readonly number[],
): Html {
  if (thing === undefined)
    return html`<td rowspan=${rows} colspan=${wide} class="idle">${apart && idle(moments[row - 1], moments[row + rows - 1])}</td>`;
  const { number = 0, steps = [], ...build } = thing.build;
  const state = stateOf(build);
  const shown = steps.filter(({ hidden }) => !hidden);
  return html`<td rowspan=${rows} colspan=${wide} class=${`cell ${state}`}>
    <div>${mark(state, wordOf(state))}${view.link("build", { builder, number }, html`#${number}`)} ${build.finishedAt == null ? html`<span class="by">since ${clock(thing.from)}</span>` : took(thing.from, build.finishedAt)}</div>
    <div class="by">${own(build.branch)} ${own(shortRevision(build.revision).slice(0, 8))}</div>
    <div class="ran">${shown.length > STEPS && html`<span>${shown.length - STEPS} before</span>`}${shown.slice(-STEPS).map((step) => stepOf(stateOf({ state: "running", result: step.result }), step.name))}</div>
  </td>`;
}

function stepOf(state: ReturnType<typeof stateOf>, name: string): Html {
  return html`<span class=${state}>${mark(state, wordOf(state))}${own(name)}</span>`;
}

/** A time without a build: since when, or how long. */
function idle(to: number | undefined, from: number | undefined): Html {
  if (from === undefined) return null;
  if (to === undefined) return html`idle since ${clock(from)}`;
  return to - from < IDLE ? null : html`idle ${span(to - from)}`;
}

type Changes = CoreMethods["changes.list"]["result"]["items"];

function changeOf(view: View, { id = 0, author, revision, comments }: Changes[number]): Html {
  return html`<div>${view.link("change", { change: id }, own(shortRevision(revision).slice(0, 8) || `change ${id}`))} ${person(author)}<div class="by">${own(comments?.split("\n", 1)[0])}</div></div>`;
}

function changesByRow(changes: Changes, moments: readonly number[]): Changes[] {
  const rows: Changes[] = [];
  for (const change of changes) {
    const row = moments.findIndex((one) => one < (change.added ?? 0));
    const at = row === -1 ? Math.max(0, moments.length - 1) : row;
    rows[at] = [...(rows[at] ?? []), change];
  }
  return rows;
}
