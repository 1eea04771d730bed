import type { CoreMethods } from "belfry";
import { nameUnknown } from "../errors.ts";
import type { View, Web } from "../extension.ts";
import { type Html, html } from "../html.ts";
import { onward } from "../parts/pager.ts";
import { ending, moment, own, revisionLink, took } from "../parts/texts.ts";
import { whyText } from "../parts/why.ts";
import type { Keys } from "../urls.ts";

const BUILDERS = 4;
/** Of so many it is looked up what they began last: each question costs the master something. */
const ASKED = 50;
const BEGUN = 20;
const LIVE = { types: ["scheduler.", "buildset.", "config.loaded"] };

type Scheduler = CoreMethods["schedulers.list"]["result"]["items"][number];

/** What decides what to build. */
export function addSchedulers(web: Web): void {
  web.page({
    name: "schedulers",
    path: "/schedulers",
    label: () => "Schedulers",
    render: async (view) => ({
      title: "Schedulers",
      body: html`${await view.snippet("schedulers.list")} ${await view.panels("schedulers", {})}`,
    }),
  });
  web.navigation({ title: "Schedulers", path: "/schedulers", order: 70 });
  web.snippet({ name: "schedulers.list", render: list });
  web.page({
    name: "scheduler",
    path: "/schedulers/:scheduler",
    label: ({ scheduler }) => String(scheduler),
    async render(view) {
      const scheduler = view.keys["scheduler"] ?? "";
      return {
        title: scheduler,
        trail: [view.link("schedulers", {}, "Schedulers")],
        body: html`${await view.snippet("scheduler.state", { scheduler })} ${await view.panels("scheduler", { scheduler })}
          ${await view.snippet("scheduler.built", { scheduler, cursor: view.query.get("cursor") ?? "" })}`,
      };
    },
  });
  web.snippet({ name: "scheduler.state", render: one });
  web.snippet({ name: "scheduler.built", render: begun });
  const named = (fields: URLSearchParams) => ({
    scheduler: fields.get("scheduler") ?? "",
    ...(fields.get("reason") && { reason: fields.get("reason") }),
  });
  web.action({ name: "disable", method: "schedulers.disable", params: named });
  web.action({ name: "enable", method: "schedulers.enable", params: named });
}

function state({ disabled, error }: Scheduler): Html {
  if (disabled !== null)
    return html`<span class="state warnings"><span class="shape" aria-hidden="true">‖</span> disabled</span> <span class="by">by ${own(disabled.by)} ${moment(disabled.at)}</span>${disabled.reason && html`: ${own(disabled.reason)}`}`;
  if (error !== null)
    return html`<span class="state exception"><span class="shape" aria-hidden="true">‼</span> fails</span> ${own(error.message)}`;
  return html`<span class="state success"><span class="shape" aria-hidden="true">✓</span> well</span>`;
}

function switchOf(view: View, { name, disabled }: Scheduler, reason: Html): Html {
  return disabled === null
    ? view.form(
        "disable",
        { scheduler: name },
        html`${reason} <button aria-label=${`Disable ${name}`}>Disable</button>`,
      )
    : view.form("enable", { scheduler: name }, html`<button aria-label=${`Enable ${name}`}>Enable</button>`);
}

async function list(view: View) {
  const { items } = await view.ask("schedulers.list", {});
  const last = await Promise.all(
    items.slice(0, ASKED).map(async ({ name }) => {
      const { items: begun } = await view.ask("buildsets.list", {
        scheduler: name,
        limit: 1,
        fields: ["id", "submittedAt", "result"],
      });
      return begun[0];
    }),
  );
  const body =
    items.length === 0
      ? html`<p class="empty">This master has no schedulers yet. They are the list <code>schedulers</code> in its configuration.</p>`
      : html`<div class="scroll" tabindex="0" role="region" aria-label="Schedulers"><table class="list">
        <thead><tr><th scope="col">Scheduler</th><th scope="col">Kind</th><th scope="col">State</th><th scope="col">Builders</th><th scope="col">Built last</th><th scope="col">Looks next</th><th scope="col"><span class="unseen">What to do</span></th></tr></thead>
        <tbody>${items.map(
          (
            scheduler,
            i,
          ) => html`<tr><th scope="row">${view.link("scheduler", { scheduler: scheduler.name }, own(scheduler.name))}</th>
            <td><code>${scheduler.kind}</code></td><td>${state(scheduler)}</td><td>${some(view, scheduler.builders)}</td>
            <td>${i < ASKED ? builtLast(view, last[i]) : view.link("scheduler", { scheduler: scheduler.name }, "when?")}</td><td>${moment(scheduler.wakeAt)}</td><td>${switchOf(view, scheduler, null)}</td></tr>`,
        )}</tbody></table></div>`;
  return { body, live: LIVE };
}

type Begun = CoreMethods["buildsets.list"]["result"]["items"][number];

function builtLast(view: View, begun: Begun | undefined): Html {
  if (begun === undefined) return "never";
  return html`${view.link("buildset", { buildset: begun.id ?? 0 }, moment(begun.submittedAt))} ${ending(begun.result)}`;
}

/** What it asked to be built, and what came of it. */
async function begun(view: View, { scheduler = "", cursor = "" }: Keys) {
  const { items, next } = await view.ask("buildsets.list", {
    scheduler: String(scheduler),
    limit: BEGUN,
    ...(cursor !== "" && { cursor: String(cursor) }),
  });
  const body = html`<h2>What it had built</h2>
    ${items.length === 0 && html`<p class="empty">Nothing yet.</p>`}
    ${
      items.length > 0 &&
      html`<div class="scroll" tabindex="0" role="region" aria-label="What it had built"><table class="list">
      <thead><tr><th scope="col">Buildset</th><th scope="col">Result</th><th scope="col">Asked for</th><th scope="col">Source</th><th scope="col">Reason</th><th scope="col">Took</th></tr></thead>
      <tbody>${items.map(
        ({
          id = 0,
          sourceStamps = [],
          submittedAt,
          completeAt,
          reason,
          result,
        }) => html`<tr><th scope="row">${view.link("buildset", { buildset: id }, html`<span class="unseen">buildset </span>#${id}`)}</th>
          <td>${ending(result)}</td><td>${moment(submittedAt)}</td>
          <td>${sourceStamps.map(({ branch, revision }) => html`<div>${own(branch)} ${revisionLink(view, revision)}</div>`)}</td>
          <td>${own(reason)}</td><td>${took(submittedAt, completeAt)}</td></tr>`,
      )}</tbody></table></div>`
    }
    ${onward(next, cursor === "", (at) => view.url("scheduler", { scheduler }, { cursor: at }))}`;
  return cursor === "" ? { body, live: { types: ["buildset."] } } : { body };
}

function some(view: View, builders: readonly string[]): Html {
  return html`${builders.slice(0, BUILDERS).map((builder, i) => html`${i > 0 && ", "}${view.link("builder", { builder }, own(builder))}`)}${builders.length > BUILDERS && ` and ${builders.length - BUILDERS} more`}`;
}

async function one(view: View, keys: Keys) {
  const name = String(keys["scheduler"]);
  const { items } = await view.ask("schedulers.list", {});
  const found = items.find((scheduler) => scheduler.name === name);
  if (found === undefined) throw nameUnknown("scheduler", name);
  const { reasons } = await view.ask("schedulers.why", { scheduler: name });
  const { kind, builders, passedAt, wakeAt, disabled, error } = found;
  const body = html`<p class="result">${state(found)}</p>
    <dl class="facts wide">
      <dt>Kind</dt><dd><code>${kind}</code></dd>
      <dt>Looked last</dt><dd>${passedAt === null ? "not yet" : moment(passedAt)}</dd>
      <dt>Looks next</dt><dd>${disabled !== null ? "not while it is disabled" : wakeAt === null ? "when something happens" : moment(wakeAt)}</dd>
      ${error !== null && html`<dt>Last error</dt><dd>${own(error.message)}</dd>`}
      ${reasons.length > 0 && html`<dt>Builds nothing now</dt><dd>${reasons.map((reason) => html`<div>${whyText(view, reason)}</div>`)}</dd>`}
      <dt>Builders</dt><dd>${builders.length === 0 ? "none" : builders.map((builder) => html`<span>${view.link("builder", { builder }, own(builder))} </span>`)}</dd>
    </dl>
    ${switchOf(view, found, html`<label>Reason <input name="reason" maxlength="500" /></label>`)}`;
  return { body, live: LIVE };
}
