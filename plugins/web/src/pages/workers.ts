import type { CoreMethods } from "belfry";
import { faults, nameUnknown } from "../errors.ts";
import type { View, Web } from "../extension.ts";
import { type Html, html } from "../html.ts";
import { askedTwice } from "../parts/asked-twice.ts";
import { onward } from "../parts/pager.ts";
import { type Named, runningBuilds } from "../parts/running-builds.ts";
import { badge, count, moment, own, revisionLink, stateOf, took } from "../parts/texts.ts";
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
    render: async (view) => ({
      title: "Workers",
      body: html`${await view.snippet("workers.list")} ${await view.panels("workers", {})}`,
    }),
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
  web.action({
    name: "pause-workers",
    method: "workers.pause",
    params: (fields) => ({
      workers: chosen(fields),
      ...(fields.get("reason") && { reason: fields.get("reason") }),
    }),
  });
  web.action({
    name: "resume-workers",
    method: "workers.resume",
    params: (fields) => ({ workers: chosen(fields) }),
  });
}

function chosen(fields: URLSearchParams): string[] {
  const names = fields.getAll("worker");
  if (names.length === 0) throw faults.formBroken("No worker is chosen: a mark before its name does that.");
  return names;
}

/** One that is gone from the configuration is known as long as there are builds of it. */
async function workerOf(view: View, worker: string): Promise<Worker | undefined> {
  const { items } = await view.ask("workers.list", {});
  const known = items.find(({ name }) => name === worker);
  if (known !== undefined) return known;
  const { items: builds } = await view.ask("builds.list", { worker, limit: 1 });
  if (builds.length === 0) throw nameUnknown("worker", worker);
  return undefined;
}

const connection = ({ connected }: Worker): Html =>
  connected
    ? html`<span class="state success"><span class="shape" aria-hidden="true">●</span> connected</span>`
    : html`<span class="state failure"><span class="shape" aria-hidden="true">○</span> not connected</span>`;

const pause = ({ paused, pausedBy, pausedAt, pausedReason }: Worker): Html =>
  paused &&
  html`<span class="state warnings"><span class="shape" aria-hidden="true">‖</span> paused</span> <span class="by">by ${own(pausedBy)} ${moment(pausedAt)}</span>${pausedReason && html`: ${own(pausedReason)}`}`;

function busy({ builds, slots }: Worker): Html {
  return html`<span class="together">${builds.length} of ${slots}</span>`;
}

function builds(view: View, ids: readonly number[], names: ReadonlyMap<number, Named>): Html {
  return ids.map((id, i) => {
    const known = names.get(id);
    return html`${i > 0 && ", "}<span class="together">${known === undefined ? view.link("build.by-id", { build: id }) : view.link("build", { builder: known.builder, number: known.number }, html`${own(known.builder)} #${known.number}`)}</span>`;
  });
}

async function list(view: View) {
  const [{ items }, names] = await Promise.all([view.ask("workers.list", {}), runningBuilds(view)]);
  if (items.length === 0)
    return {
      body: html`<p class="empty">This master has no workers yet. They are the list <code>workers</code> in its configuration.</p>`,
      live: { types: CHANGING },
    };
  const choosing = view.may("workers.pause");
  const table = html`<div class="scroll" tabindex="0" role="region" aria-label="Workers"><table class="list">
    <thead><tr>${choosing && html`<th scope="col"><span class="unseen">Choose</span></th>`}<th scope="col">Worker</th><th scope="col">State</th><th scope="col">Busy</th><th scope="col">Builds</th><th scope="col">System</th><th scope="col">Seen last</th></tr></thead>
    <tbody>${items.map(
      (
        worker,
      ) => html`<tr>${choosing && html`<td><input type="checkbox" name="worker" value=${worker.name} aria-label=${`Choose ${worker.name}`} /></td>`}
        <th scope="row">${view.link("worker", { worker: worker.name }, own(worker.name))}</th>
        <td>${connection(worker)} ${worker.paused && html`<div>${pause(worker)}</div>`}</td><td>${busy(worker)}</td>
        <td>${builds(view, worker.builds, names)}</td><td class="by">${own(Object.values(worker.info)[0])}</td><td>${worker.connected ? "now" : moment(worker.seenAt)}</td></tr>`,
    )}</tbody></table></div>`;
  const rest = items.filter(({ paused }) => paused);
  const resumable = rest.length > 0 && view.may("workers.resume");
  const connected = items.filter((worker) => worker.connected);
  const slots = connected.reduce((sum, worker) => sum + worker.slots, 0);
  const taken = connected.reduce((sum, worker) => sum + worker.builds.length, 0);
  const body = html`<p>${connected.length} of ${count(items.length, "worker")} connected, ${taken} of ${count(slots, "place")} taken.</p>
    ${view.form("pause-workers", {}, html`${table}<label>Reason <input name="reason" maxlength="500" /></label> <button>Pause those chosen</button> ${resumable && html`<button formaction="/do/resume-workers">Resume those chosen</button>`}`) ?? table}
    ${resumable && askedTwice(`Resume all that are paused (${rest.length})`, view.form("resume-workers", {}, html`${rest.map(({ name }) => html`<input type="hidden" name="worker" value=${name} />`)}<button>Resume ${rest.map(({ name }, i) => html`${i > 0 && ", "}${own(name)}`)}</button>`))}`;
  return { body, live: { types: CHANGING } };
}

async function one(view: View, keys: Keys) {
  const worker = await workerOf(view, String(keys["worker"]));
  if (worker === undefined)
    return { body: html`<p class="empty">This worker is not in the configuration any more.</p>` };
  const names = await runningBuilds(view);
  const { name, paused } = worker;
  const body = html`<p class="result">${connection(worker)} ${pause(worker)}</p>
    <dl class="facts wide">
      <dt>Seen last</dt><dd>${moment(worker.seenAt)}</dd>
      <dt>Busy</dt><dd>${busy(worker)} ${builds(view, worker.builds, names)}</dd>
      <dt>Builders</dt><dd>${worker.builders.length === 0 ? "none" : worker.builders.map((builder) => html`<span>${view.link("builder", { builder }, own(builder))} </span>`)}</dd>
      ${Object.entries(worker.info).map(([key, value]) => html`<dt>${own(key)}</dt><dd>${own(value)}</dd>`)}
    </dl>
    ${
      paused
        ? view.form("resume-workers", { worker: name }, html`<button>Resume</button>`)
        : view.form(
            "pause-workers",
            { worker: name },
            html`<label>Reason <input name="reason" maxlength="500" /></label> <button>Pause</button>`,
          )
    }`;
  return { body, live: { types: CHANGING } };
}

async function history(view: View, { worker = "", cursor = "" }: Keys) {
  const { items, next } = await view.ask("builds.list", {
    worker: String(worker),
    limit: HISTORY,
    ...(cursor !== "" && { cursor: String(cursor) }),
  });
  const body = html`${items.length === 0 && html`<p class="empty">It has built nothing yet.</p>`}
    ${
      items.length > 0 &&
      html`<div class="scroll" tabindex="0" role="region" aria-label="History"><table class="list">
      <thead><tr><th scope="col">Build</th><th scope="col">Result</th><th scope="col">Source</th><th scope="col">Started</th><th scope="col">Took</th></tr></thead>
      <tbody>${items.map(
        ({
          builder = "",
          number = 0,
          ...build
        }) => html`<tr><th scope="row">${view.link("build", { builder, number }, html`${own(builder)} #${number}`)}</th>
          <td>${badge(stateOf(build))} ${own(build.summary)}</td><td>${own(build.branch)} ${revisionLink(view, build.revision)}</td>
          <td>${moment(build.startedAt ?? build.assignedAt)}</td><td>${took(build.startedAt, build.finishedAt)}</td></tr>`,
      )}</tbody></table></div>`
    }
    ${onward(next, cursor === "", (at) => view.url("worker", { worker }, { cursor: at }))}`;
  return cursor === "" ? { body, live: { types: CHANGING } } : { body };
}
