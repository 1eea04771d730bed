import type { View, Web } from "../extension.ts";
import { html } from "../html.ts";
import { requestTable } from "../parts/request-table.ts";
import { badge, mark, moment, own, shortRevision, span, stateOf, took, wordOf } from "../parts/texts.ts";
import { strip } from "./builders.ts";

const RUNNING = 100;
const WAITING = 10;
/** So many builders are shown with their last results, and among so many builds it is looked for who built last. */
const BUILDERS = 30;
const LAST = 100;
const STRIP = 10;
const TROUBLES = 8;

/** What happens now. */
export function addHome(web: Web): void {
  web.page({
    name: "home",
    path: "/",
    label: () => "Now",
    async render(view) {
      const parts = await Promise.all(
        ["home.troubles", "home.running", "home.waiting", "home.last"].map((name) => view.snippet(name)),
      );
      return { title: "Now", body: html`${parts} ${await view.panels("home", {})}` };
    },
  });
  web.navigation({ title: "Now", path: "/", order: 10 });
  web.snippet({ name: "home.running", render: running });
  web.snippet({ name: "home.waiting", render: waiting });
  web.snippet({ name: "home.troubles", render: troubles });
  web.snippet({ name: "home.last", render: last });
}

async function running(view: View) {
  const of = (state: "running" | "assigned") =>
    view.ask("builds.list", { state, include: ["reason", "usualMillis"], limit: RUNNING });
  const [now, soon] = await Promise.all([of("running"), of("assigned")]);
  const builds = [...now.items, ...soon.items];
  const body = html`<section aria-labelledby="running"><h2 id="running">Running</h2>
    ${builds.length === 0 && html`<p class="empty">Nothing runs.</p>`}
    <ul class="rows">${builds.map(
      ({ builder = "", number = 0, worker = "", usualMillis, ...build }) => html`<li><div class="row now">
        <span class="name">${mark(stateOf(build), wordOf(stateOf(build)))} ${view.link("build", { builder, number }, html`${own(builder)} #${number}`)}</span>
        <span class="by">${own(build.branch)} ${own(shortRevision(build.revision))} ${own(build.reason)}</span>
        <span class="progress">${usualMillis != null && html`<progress max=${usualMillis} data-since=${build.startedAt ?? build.assignedAt} aria-label="share of the usual time"></progress> `}${took(build.startedAt ?? build.assignedAt, null)}
          ${usualMillis != null && html` <span class="usual">usually ${span(usualMillis)}</span>`}</span>
        <span>${view.link("worker", { worker }, own(worker))}</span>
      </div></li>`,
    )}</ul></section>`;
  return { body, live: { types: ["build.assigned", "build.started", "build.finished"] } };
}

async function waiting(view: View) {
  const { items, next } = await view.ask("requests.list", {
    state: "pending",
    order: "queue",
    limit: WAITING,
    include: ["reason", "sourceStamps"],
  });
  const body =
    items.length === 0
      ? html`<section aria-labelledby="waiting"><h2 id="waiting">Waiting</h2><p class="empty">Nothing waits.</p></section>`
      : html`<section aria-labelledby="waiting"><h2 id="waiting">Waiting</h2>${await requestTable(view, items, { builder: true })}
          ${next !== null && html`<p><a href=${view.url("requests")}>All that wait</a></p>`}</section>`;
  return { body, live: { types: ["request.", "build.assigned", "build.finished", "builder.", "worker."] } };
}

async function troubles(view: View) {
  const [sources, workers, schedulers] = await Promise.all([
    view.ask("sources.list", {}),
    view.ask("workers.list", {}),
    view.ask("schedulers.list", {}),
  ]);
  const lines = [
    ...sources.items
      .filter(({ health }) => health !== "well" && health !== "new")
      .map(
        ({ name, health, healthText, error }) =>
          html`<li>${view.link("source", { source: name }, own(name))} is ${health}: ${own(healthText ?? error?.message)}</li>`,
      ),
    ...schedulers.items
      .filter(({ error }) => error !== null)
      .map(
        ({ name, error }) =>
          html`<li>The scheduler ${view.link("scheduler", { scheduler: name }, own(name))} fails: ${own(error?.message)}</li>`,
      ),
    ...workers.items
      .filter(({ connected, builders }) => !connected && builders.length > 0)
      .map(
        ({ name, seenAt }) =>
          html`<li>The worker ${view.link("worker", { worker: name }, own(name))} is not connected, seen last ${moment(seenAt)}</li>`,
      ),
  ];
  const body =
    lines.length === 0
      ? null
      : html`<section class="why" aria-labelledby="troubles"><h2 id="troubles">In trouble</h2><ul>${lines.slice(0, TROUBLES)}</ul>${lines.length > TROUBLES && html`<p>and ${lines.length - TROUBLES} more, of ${view.link("sources", {})}, ${view.link("schedulers", {})} and ${view.link("workers", {})}</p>`}</section>`;
  return { body, live: { types: ["source.", "worker.", "scheduler."] } };
}

/** Of each builder how its last builds went, those that are broken now first; on a large farm of those that built last. */
async function last(view: View) {
  const { names, all } = await whoseLast(view);
  const { items = [] } =
    names.length === 0
      ? {}
      : await view.ask("builders.list", { builders: names, include: ["recent"], recent: STRIP, limit: BUILDERS });
  const rows = items
    .map(({ name = "", recent = [] }) => ({ name, recent, newest: recent.find(({ state }) => state === "finished") }))
    .flatMap(({ newest, ...row }) => (newest === undefined ? [] : [{ ...row, newest }]))
    .sort(
      (a, b) =>
        Number(isBroken(b.newest)) - Number(isBroken(a.newest)) ||
        (b.newest.finishedAt ?? 0) - (a.newest.finishedAt ?? 0),
    );
  const body = html`<section aria-labelledby="last"><h2 id="last">Last results</h2>
    ${rows.length === 0 && html`<p class="empty">Nothing was built yet.</p>`}
    <ul class="rows">${rows.map(
      ({ name, recent, newest }) => html`<li><div class="row last">
        <span class="name">${view.link("builder", { builder: name }, own(name))}</span>
        <span>${view.link("build", { builder: name, number: newest.number }, html`${badge(stateOf(newest))} #${newest.number}`)}</span>
        <span>${own(newest.summary)}</span>
        <span class="strip">${strip(view, name, recent)}</span>
        <span>${moment(newest.finishedAt)}</span>
      </div></li>`,
    )}</ul>
    ${!all && html`<p>${view.link("builders", {}, "All builders")}</p>`}</section>`;
  return { body, live: { types: ["build.finished"] } };
}

const isBroken = ({ result }: { result: string | null }): boolean => result === "failure" || result === "exception";

/** All builders if they are few, or else those of the builds that finished last. */
async function whoseLast(view: View): Promise<{ names: string[]; all: boolean }> {
  const { items, next } = await view.ask("builders.list", { configured: true, fields: ["name"], limit: BUILDERS });
  if (next === null) return { names: items.map(({ name = "" }) => name), all: true };
  const order = "-finishedAt";
  const builds = await view.ask("builds.list", { state: "finished", limit: LAST, order, fields: ["builder"] });
  const names = [...new Set(builds.items.map(({ builder = "" }) => builder))].slice(0, BUILDERS);
  return { names, all: false };
}
