import { faults } from "../errors.ts";
import type { View, Web } from "../extension.ts";
import { type Html, html } from "../html.ts";
import { askedTwice } from "../parts/asked-twice.ts";
import { named } from "../parts/named-builders.ts";
import { onward } from "../parts/pager.ts";
import { requestTable } from "../parts/request-table.ts";
import { runningBuilds } from "../parts/running-builds.ts";
import { badge, count, moment, own, revisionLink, stateOf } from "../parts/texts.ts";
import { numberOf } from "../parts/the-build.ts";
import { whyText } from "../parts/why.ts";
import type { Keys } from "../urls.ts";

const PAGE = 50;
/** So many of those that come first are named, and so many builders that may have been meant. */
const AHEAD = 5;
const LIKE = 10;
const MOST_PRIORITY = 2_147_483_647;

/** What waits, in the order in which it will start; and each request. */
export function addRequests(web: Web): void {
  web.page({
    name: "requests",
    path: "/requests",
    label: () => "Requests",
    async render(view) {
      const builder = view.query.get("builder") ?? "";
      return {
        title: "Requests",
        width: "full",
        body: html`<form method="get" action=${view.url("requests")} role="search" class="filters"><label>Builder <input name="builder" value=${builder} /></label> <button>Show</button></form>
          ${await view.snippet("requests.queue", { builder, cursor: view.query.get("cursor") ?? "" })} ${await view.panels("requests", {})}`,
      };
    },
  });
  web.navigation({ title: "Requests", path: "/requests", order: 50 });
  web.snippet({ name: "requests.queue", render: queue });
  web.page({
    name: "request",
    path: "/requests/:request",
    label: ({ request }) => `request ${request}`,
    async render(view) {
      const request = numberOf(view.keys["request"]);
      const facts = await view.ask("requests.get", { request });
      const body = await view.snippet("request.state", { request });
      return {
        title: `Request ${request}`,
        settled: facts.state === "complete",
        trail: [
          view.link("requests", {}, "Requests"),
          view.link("builder", { builder: facts.builder }, own(facts.builder)),
        ],
        body: html`${body} ${await view.panels("request", { request })}`,
      };
    },
  });
  web.snippet({ name: "request.state", render: one });
  web.action({
    name: "cancel",
    method: "requests.cancel",
    params: (fields) => ({
      request: numberOf(fields.get("request") ?? ""),
      ...(fields.get("reason") && { reason: fields.get("reason") }),
    }),
  });
  web.action({
    name: "prioritize",
    method: "requests.prioritize",
    params: (fields) => ({
      request: numberOf(fields.get("request") ?? ""),
      priority: priorityOf(fields.get("priority") ?? ""),
    }),
  });
}

function priorityOf(text: string): number {
  const priority = /^\s*[+-]?\d{1,10}\s*$/.test(text) ? Number(text) : Number.NaN;
  if (!(Math.abs(priority) <= MOST_PRIORITY))
    throw faults.formBroken(
      `A priority is a whole number from -${MOST_PRIORITY} to ${MOST_PRIORITY}, not "${text.slice(0, 40)}".`,
    );
  return priority;
}

async function queue(view: View, { builder = "", cursor = "" }: Keys) {
  const { items, next } = await view.ask("requests.list", {
    state: "pending",
    order: "queue",
    limit: PAGE,
    include: ["reason", "sourceStamps"],
    ...(builder !== "" && { builder: String(builder) }),
    ...(cursor !== "" && { cursor: String(cursor) }),
  });
  const body = html`${items.length === 0 ? await nothing(view, String(builder)) : html`<p>What waits, in the order in which it will start.</p>${await requestTable(view, items, { builder: true })}`}
    ${onward(next, cursor === "", (at) => view.url("requests", {}, { builder: String(builder), cursor: at }), ["First", "Next"])}`;
  return { body, live: { types: ["request.", "build.assigned", "build.finished", "builder.", "worker."] } };
}

/** Those of its builder that come first. */
async function ahead(view: View, builder: string, request: number, many: number): Promise<Html> {
  const { items } = await view.ask("requests.list", {
    builder,
    state: "pending",
    order: "queue",
    limit: AHEAD,
    fields: ["id"],
  });
  const ids = items.map(({ id = 0 }) => id);
  const before = ids.includes(request) ? ids.slice(0, ids.indexOf(request)) : ids;
  const others = many - before.length;
  return html`${before.map((id, i) => html`${i > 0 && ", "}${view.link("request", { request: id }, `#${id}`)}`)}${others > 0 && ` and ${others} more`} of its builder`;
}

async function nothing(view: View, builder: string): Promise<Html> {
  if (builder === "") return html`<p class="empty">Nothing waits.</p>`;
  const all = (await named(view)).map(({ name }) => name);
  const wanted = builder.trim().toLowerCase();
  const like = all.filter((name) => name !== builder && name.toLowerCase().includes(wanted)).slice(0, LIKE);
  const meant = like.map(
    (name, i) => html`${i > 0 && ", "}<a href=${view.url("requests", {}, { builder: name })}>${own(name)}</a>`,
  );
  const said = all.includes(builder)
    ? html`Nothing waits for ${view.link("builder", { builder }, own(builder))}.`
    : html`No builder is called ${own(builder)}, and nothing waits for it.${like.length > 0 && html` Did you mean ${meant}?`}`;
  return html`<p class="empty">${said} <a href=${view.url("requests")}>Show all that waits</a></p>`;
}

async function one(view: View, keys: Keys) {
  const request = numberOf(keys["request"]);
  const [facts, why, built] = await Promise.all([
    view.ask("requests.get", { request }),
    view.ask("requests.why", { request }),
    view.ask("builds.list", { request, limit: PAGE }),
  ]);
  const running = why.reasons.length > 0 ? await runningBuilds(view) : undefined;
  const { builder, buildset, collapsed, collapsedInto, priority } = facts;
  const asked = await view.ask("buildsets.get", { buildset }).catch(() => undefined);
  const body = html`<p class="result">${badge(stateOf(facts))}</p>
    <dl class="facts wide">
      <dt>Builder</dt><dd>${view.link("builder", { builder }, own(builder))}</dd>
      <dt>Part of</dt><dd>${view.link("buildset", { buildset })}</dd>
      ${asked && html`<dt>Reason</dt><dd>${own(asked.reason)}</dd>`}
      ${asked?.sourceStamps.filter(({ branch, revision }) => branch || revision).map(({ branch, revision }) => html`<dt>Source</dt><dd>${own(branch)} ${revisionLink(view, revision)}</dd>`)}
      ${asked?.scheduler && html`<dt>Scheduler</dt><dd>${view.link("scheduler", { scheduler: asked.scheduler }, own(asked.scheduler))}</dd>`}
      <dt>Asked for</dt><dd>${moment(facts.submittedAt)}</dd>
      ${facts.completeAt !== null && html`<dt>Ended</dt><dd>${moment(facts.completeAt)}</dd>`}
      <dt>Priority</dt><dd>${priority}</dd>
      ${facts.expiresAt !== null && facts.state === "pending" && html`<dt>Waits until</dt><dd>${moment(facts.expiresAt)}</dd>`}
      ${facts.retries > 0 && html`<dt>Tried again</dt><dd>${count(facts.retries, "time")}</dd>`}
      ${why.reasons.length > 0 && html`<dt>Waits for</dt><dd>${why.reasons.map((reason) => html`<div>${whyText(view, reason, running)}</div>`)}</dd>`}
      ${why.ahead > 0 && html`<dt>Before it</dt><dd>${await ahead(view, facts.builder, request, why.ahead)}</dd>`}
      <dt>Builds</dt><dd>${built.items.length === 0 ? "none yet" : built.items.map(({ number = 0, ...build }) => html`<div>${view.link("build", { builder, number }, html`${own(builder)} #${number}`)} ${badge(stateOf(build))} ${own(build.summary)}</div>`)}</dd>
      ${collapsedInto !== null && html`<dt>Built with</dt><dd>${view.link("request", { request: collapsedInto })}</dd>`}
      ${collapsed.length > 0 && html`<dt>Builds also</dt><dd>${collapsed.map((other) => html`${view.link("request", { request: other })} `)}</dd>`}
    </dl>
    ${facts.state === "pending" && view.form("prioritize", { request }, html`<label>Priority <input type="number" name="priority" value=${priority} step="1" required size="6" /></label> <button>Set</button>`)}
    ${facts.state !== "complete" && askedTwice("Cancel", view.form("cancel", { request }, html`<label>Reason <input name="reason" maxlength="500" /></label> <button>Cancel this request</button>`))}`;
  if (facts.state === "complete") return { body };
  return { body, live: { types: ["request.", "build.", "builder.", "worker."] } };
}
