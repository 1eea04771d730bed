import type { CoreMethods } from "belfry";
import { faults } from "../errors.ts";
import type { View, Web } from "../extension.ts";
import { type Html, html } from "../html.ts";
import { onward } from "../parts/pager.ts";
import { badge, moment, own, stateOf, took } from "../parts/texts.ts";
import type { Keys } from "../urls.ts";

const HISTORY = 50;
const CHANGING = ["worker.", "build.assigned", "build.finished"];

type Worker = CoreMethods["workers.list"]["result"]["items"][number];

/** Where builds run. */
export function addWorkers(web: Web): void {
  web.page({
    name: "workers",
    path: "/workers",
    label: () => "Workers",
    render: async (view) => ({ title: "Workers", body: await view.snippet("workers.list") }),
  });
  web.navigation({ title: "Workers", path: "/workers", order: 60 });
  web.snippet({ name: "workers.list", render: list });
  web.page({
    name: "worker",
    path: "/workers/:worker",
    label: ({ worker }) => String(worker),
    async render(view) {
      const worker = view.keys["worker"] ?? "";
      await workerOf(view, worker);
      const cursor = view.query.get("cursor") ?? "";
      const [state, history] = await Promise.all([
        view.snippet("worker.state", { worker }),
        view.snippet("worker.history", { worker, cursor }),
      ]);
      return {
        title: worker,
        trail: [view.link("workers", {}, "Workers")],
        body: html`${state} ${await view.panels("worker", { worker })} <h2>History</h2> ${history}`,
      };
    },
  });
  web.snippet({ name: "worker.state", render: one });
  web.snippet({ name: "worker.history", render: history });
}

/** One that is gone from the configuration is known as long as there are builds of it. */
async function workerOf(view: View, worker: string): Promise<Worker | undefined> {
  const { items } = await view.ask("workers.list", {});
  const known = items.find(({ name }) => name === worker);
  if (known !== undefined) return known;
  const { items: builds } = await view.ask("builds.list", { worker, limit: 1 });
  if (builds.length === 0) throw faults.pageUnknown(`/workers/${worker}`);
  return undefined;
}

const connection = ({ connected, builds, slots }: Worker): Html =>
  connected
    ? html`<span class="state success"><span class="shape" aria-hidden="true">●</span> connected</span> ${builds.length} of ${slots} busy`
    : html`<span class="state failure"><span class="shape" aria-hidden="true">○</span> not connected</span>`;

async function list(view: View) {
  const { items } = await view.ask("workers.list", {});
  const body = html`${items.length === 0 && html`<p class="empty">This master has no workers yet. They are the list <code>workers</code> in its configuration.</p>`}
    <ul class="rows">${items.map(
      (worker) => html`<li><div class="row">
        <span class="name">${view.link("worker", { worker: worker.name }, own(worker.name))}</span>
        <span>${connection(worker)}</span>
        <span>${worker.builds.map((build) => html`${view.link("build.by-id", { build })} `)}</span>
        <span>${!worker.connected && html`seen last ${moment(worker.seenAt)}`}</span>
      </div></li>`,
    )}</ul>`;
  return { body, live: { types: CHANGING } };
}

async function one(view: View, keys: Keys) {
  const worker = await workerOf(view, String(keys["worker"]));
  if (worker === undefined)
    return { body: html`<p class="empty">This worker is not in the configuration any more.</p>` };
  const body = html`<p class="result">${connection(worker)}</p>
    <dl class="facts">
      <dt>Seen last</dt><dd>${moment(worker.seenAt)}</dd>
      <dt>Builds now</dt><dd>${worker.builds.length === 0 ? "nothing" : worker.builds.map((build) => html`${view.link("build.by-id", { build })} `)}</dd>
      <dt>Builders</dt><dd>${worker.builders.length === 0 ? "none" : worker.builders.map((builder) => html`<span>${view.link("builder", { builder }, own(builder))} </span>`)}</dd>
      ${Object.entries(worker.info).map(([name, value]) => html`<dt>${own(name)}</dt><dd>${own(value)}</dd>`)}
    </dl>`;
  return { body, live: { types: CHANGING } };
}

async function history(view: View, { worker = "", cursor = "" }: Keys) {
  const { items, next } = await view.ask("builds.list", {
    worker: String(worker),
    limit: HISTORY,
    ...(cursor !== "" && { cursor: String(cursor) }),
  });
  const body = html`${items.length === 0 && html`<p class="empty">It has built nothing yet.</p>`}
    <ul class="rows">${items.map(
      ({ builder = "", number = 0, ...build }) => html`<li><div class="row">
        <span class="name">${view.link("build", { builder, number }, html`${own(builder)} #${number}`)}</span><span>${badge(stateOf(build))}</span>
        <span>${moment(build.startedAt ?? build.assignedAt)} ${took(build.startedAt, build.finishedAt)}</span><span>${own(build.summary)}</span>
      </div></li>`,
    )}</ul>
    ${onward(next, cursor === "", (at) => view.url("worker", { worker }, { cursor: at }))}`;
  return cursor === "" ? { body, live: { types: CHANGING } } : { body };
}
