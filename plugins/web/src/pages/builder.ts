import type { CoreMethods } from "belfry";
import type { View, Web } from "../extension.ts";
import { type Html, html } from "../html.ts";
import { forceForms, refusedForm } from "../parts/force-form.ts";
import { forceWish } from "../parts/force-wish.ts";
import { onward } from "../parts/pager.ts";
import { requestTable } from "../parts/request-table.ts";
import { badge, count, moment, own, revisionLink, span, stateOf, took } from "../parts/texts.ts";
import { trend } from "../parts/trend.ts";
import type { Keys } from "../urls.ts";

const HISTORY = 50;
const PENDING = 20;
const RESULTS = ["success", "warnings", "failure", "skipped", "exception", "retry", "cancelled"] as const;

type Builds = CoreMethods["builds.list"]["result"]["items"];

/** The page of a builder. */
export function addBuilder(web: Web): void {
  web.page({
    name: "builder",
    path: "/builders/:builder",
    label: ({ builder }) => String(builder),
    async render(view) {
      const builder = view.keys["builder"] ?? "";
      const filter = filterOf(view);
      // It is asked first, so that who may not see it gets nothing but a 404.
      await view.ask("builders.get", { builder, include: ["running", "pending"] });
      const [state, pending, history, forms] = await Promise.all([
        view.snippet("builder.state", { builder }),
        view.snippet("builder.pending", { builder }),
        view.snippet("builder.history", { builder, ...filter }),
        forceForms(view, builder),
      ]);
      return {
        title: builder,
        trail: [view.link("builders", {}, "Builders")],
        body: html`${state} ${forms} ${pending} ${await view.panels("builder", { builder })}
          <section aria-labelledby="history"><h2 id="history">History</h2>${filters(view, builder, filter)} ${history}</section>`,
      };
    },
  });
  web.snippet({ name: "builder.state", render: state });
  web.snippet({ name: "builder.pending", render: pending });
  web.snippet({ name: "builder.history", render: history });
  web.action({
    name: "force",
    method: "schedulers.force",
    params: forceWish,
    refused: refusedForm,
    next: (answer, view) => view.url("buildset", { buildset: (answer as { buildset: number }).buildset }),
  });
  web.action({
    name: "pause",
    method: "builders.pause",
    params: (fields) => ({
      builder: fields.get("builder") ?? "",
      ...(fields.get("reason") && { reason: fields.get("reason") }),
    }),
  });
  web.action({
    name: "resume",
    method: "builders.resume",
    params: (fields) => ({ builder: fields.get("builder") ?? "" }),
  });
}

async function state(view: View, { builder = "" }: Keys) {
  const name = String(builder);
  const facts = await view.ask("builders.get", { builder: name, include: ["running", "pending"] });
  const {
    running = [],
    paused,
    pausedBy,
    pausedReason,
    pausedAt,
    project,
    tags,
    workers,
    description,
    configured,
  } = facts;
  const body = html`
    ${description !== "" && html`<p>${own(description)}</p>`}
    ${!configured && html`<p class="empty">This builder is not in the configuration any more; what it built is still here.</p>`}
    ${paused && html`<p><b class="state cancelled"><span class="shape" aria-hidden="true">‖</span> paused</b> by ${own(pausedBy)} ${moment(pausedAt)}${pausedReason && html`: ${own(pausedReason)}`}</p>`}
    <dl class="facts wide">
      <dt>Runs</dt><dd>${running.length === 0 ? "nothing now" : running.map(({ number, startedAt, assignedAt }) => html`<div>${view.link("build", { builder: name, number }, html`${badge("running")} #${number}`)} ${took(startedAt ?? assignedAt, null)}</div>`)}</dd>
      ${project !== "" && html`<dt>Project</dt><dd><a href=${view.url("builders", {}, { project })}>${own(project)}</a></dd>`}
      ${tags.length > 0 && html`<dt>Tags</dt><dd>${tags.map((tag) => html`<a class="tag" href=${view.url("builders", {}, { tag })}>${own(tag)}</a> `)}</dd>`}
      <dt>Workers</dt><dd>${workers.length === 0 ? "none" : workers.map((worker) => html`${view.link("worker", { worker }, own(worker))} `)}</dd>
    </dl>
    ${
      paused
        ? view.form("resume", { builder: name }, html`<button>Resume</button>`)
        : view.form(
            "pause",
            { builder: name },
            html`<label>Reason <input name="reason" maxlength="500" /></label> <button>Pause</button>`,
          )
    }`;
  return {
    body,
    live: { types: ["build.assigned", "build.started", "build.finished", "builder."], match: { builder: name } },
  };
}

async function pending(view: View, { builder = "" }: Keys) {
  const name = String(builder);
  const { items, next } = await view.ask("requests.list", {
    builder: name,
    state: "pending",
    order: "queue",
    limit: PENDING,
    include: ["reason", "sourceStamps"],
  });
  const body =
    items.length === 0
      ? null
      : html`<section aria-labelledby="pending"><h2 id="pending">Waiting</h2>
          ${await requestTable(view, items, { builder: false })}
          ${next !== null && html`<p><a href=${view.url("requests", {}, { builder: name })}>All that wait</a></p>`}</section>`;
  return {
    body,
    live: { types: ["request.", "build.assigned", "build.finished", "builder."], match: { builder: name } },
  };
}

interface Filter {
  [key: string]: string;
  result: string;
  branch: string;
  cursor: string;
}

function filterOf(view: View): Filter {
  const text = (name: string) => view.query.get(name) ?? "";
  return { result: text("result"), branch: text("branch"), cursor: text("cursor") };
}

function filters(view: View, builder: string, { result, branch }: Filter): Html {
  return html`<form method="get" action=${view.url("builder", { builder })} class="filters">
    <label>Result <select name="result"><option value="">any</option>${RESULTS.map((one) => html`<option value=${one} selected=${one === result}>${one}</option>`)}</select></label>
    <label>Branch <input name="branch" value=${branch} /></label>
    <button>Show</button>
  </form>`;
}

async function history(view: View, keys: Keys) {
  const { builder = "", result = "", branch = "", cursor = "" } = keys;
  const name = String(builder);
  const { items, next } = await view.ask("builds.list", {
    builder: name,
    limit: HISTORY,
    include: ["reason"],
    ...((RESULTS as readonly unknown[]).includes(result) && { result: result as (typeof RESULTS)[number] }),
    ...(branch !== "" && { branch: String(branch) }),
    ...(cursor !== "" && { cursor: String(cursor) }),
  });
  const body = html`
    ${items.length === 0 && html`<p class="empty">${cursor === "" && result === "" && branch === "" ? "It has built nothing yet." : "No build fits."}</p>`}
    ${items.length > 0 && html`${summary(items)} ${trend(items, (number) => view.url("build", { builder: name, number }))} ${table(view, name, items)}`}
    ${onward(next, cursor === "", (at) => view.url("builder", { builder: name }, { result: String(result), branch: String(branch), cursor: at }))}`;
  // Pages of the past do not change.
  if (cursor !== "") return { body };
  return { body, live: { types: ["build."], match: { builder: name } } };
}

function summary(builds: Builds): Html {
  const ended = builds.filter(
    ({ result }) => result !== null && result !== "cancelled" && result !== "retry" && result !== "skipped",
  );
  if (ended.length === 0) return null;
  const good = ended.filter(({ result }) => result === "success" || result === "warnings").length;
  const times = ended
    .map(({ startedAt, finishedAt }) => (finishedAt ?? 0) - (startedAt ?? finishedAt ?? 0))
    .sort((a, b) => a - b);
  return html`<p>${Math.round((good / ended.length) * 100)} % of ${count(ended.length, "build")} here went well; half took no more than ${span(times[Math.floor((times.length - 1) / 2)] ?? 0)}.</p>`;
}

function table(view: View, builder: string, builds: Builds): Html {
  return html`<div class="scroll" tabindex="0" role="region" aria-label="History"><table class="list">
    <thead><tr><th scope="col">Build</th><th scope="col">Result</th><th scope="col">Source</th><th scope="col">Reason</th><th scope="col">Worker</th><th scope="col">Started</th><th scope="col">Took</th></tr></thead>
    <tbody>${builds.map(
      (build) => html`<tr>
        <th scope="row">${view.link("build", { builder, number: build.number ?? 0 })}</th>
        <td>${badge(stateOf(build))} ${own(build.summary)}</td>
        <td>${own(build.branch)} ${revisionLink(view, build.revision)}</td>
        <td>${own(build.reason)}</td>
        <td>${view.link("worker", { worker: build.worker ?? "" }, own(build.worker))}</td>
        <td>${moment(build.startedAt ?? build.assignedAt)}</td>
        <td>${took(build.startedAt, build.finishedAt)}</td>
      </tr>`,
    )}</tbody></table></div>`;
}
