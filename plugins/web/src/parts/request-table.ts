import type { CoreMethods } from "belfry";
import type { View } from "../extension.ts";
import { type Html, html } from "../html.ts";
import { askedTwice } from "./asked-twice.ts";
import { type Named, runningBuilds } from "./running-builds.ts";
import { badge, count, moment, own, shortRevision, stateOf } from "./texts.ts";
import { whyText } from "./why.ts";

/** More than that are not counted. */
const MOST_AHEAD = 10_000;

type Requests = CoreMethods["requests.list"]["result"]["items"];

/** For so many of them it is asked why they wait: each question costs the master something. */
const ASKED = 10;

/** Requests that wait, with the reasons. */
export async function requestTable(view: View, requests: Requests, { builder }: { builder: boolean }): Promise<Html> {
  const reasons = await Promise.all(
    requests.map(async ({ id = 0, state }, i) =>
      i < ASKED && state === "pending" ? view.ask("requests.why", { request: id }) : null,
    ),
  );
  const running = reasons.some((found) => found?.reasons.some(({ reason }) => reason === "workers-busy"))
    ? await runningBuilds(view)
    : undefined;
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Requests"><table class="list">
    <thead><tr><th scope="col">Request</th>${builder && html`<th scope="col">Builder</th>`}<th scope="col">Asked for</th><th scope="col">Source</th><th scope="col">Reason</th><th scope="col">Priority</th><th scope="col">Waits for</th><th scope="col"><span class="unseen">What to do</span></th></tr></thead>
    <tbody>${requests.map((request, i) => {
      const { id = 0, builder: name = "", sourceStamps = [], submittedAt, reason, priority } = request;
      return html`<tr>
        <th scope="row">${view.link("request", { request: id }, html`#${id}`)} ${request.state !== "pending" && badge(stateOf(request))}</th>
        ${builder && html`<td>${view.link("builder", { builder: name }, own(name))}</td>`}
        <td>${moment(submittedAt)}</td>
        <td>${sourceStamps.map(({ branch, revision }) => html`<div>${own(branch)} <code>${own(shortRevision(revision))}</code></div>`)}</td>
        <td>${own(reason)}</td>
        <td>${priority}</td>
        <td>${i < ASKED ? why(view, reasons[i], running) : request.state === "pending" && view.link("request", { request: id }, html`<span class="unseen">request ${id}: </span>why?`)}</td>
        <td>${askedTwice("Cancel", view.form("cancel", { request: id }, html`<button>Cancel request ${id}</button>`), `Cancel request ${id}…`)}</td>
      </tr>`;
    })}</tbody></table></div>`;
}

function why(
  view: View,
  found: CoreMethods["requests.why"]["result"] | null | undefined,
  running: ReadonlyMap<number, Named> | undefined,
): Html {
  if (!found) return null;
  const { reasons, ahead } = found;
  const lines = reasons.map((one) => html`<div>${whyText(view, one, running)}</div>`);
  if (ahead > 0)
    lines.push(
      html`<div>${ahead >= MOST_AHEAD ? "at least " : ""}${count(ahead, "request")} of its builder ${ahead === 1 ? "comes" : "come"} first</div>`,
    );
  return lines.length === 0 ? "it starts now" : lines;
}
