import type { View, Web } from "../extension.ts";
import { html } from "../html.ts";
import { moment, own } from "../parts/texts.ts";
import { whyText } from "../parts/why.ts";
import { segment } from "../urls.ts";

const ASKED = 20;

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
  web.link({
    type: "scheduler",
    url: ({ scheduler = "" }) => `/schedulers#${segment(scheduler)}`,
    label: ({ scheduler }) => String(scheduler),
  });
  web.navigation({ title: "Schedulers", path: "/schedulers", order: 70 });
  web.snippet({ name: "schedulers.list", render: list });
  const named = (fields: URLSearchParams) => ({
    scheduler: fields.get("scheduler") ?? "",
    ...(fields.get("reason") && { reason: fields.get("reason") }),
  });
  web.action({ name: "disable", method: "schedulers.disable", params: named });
  web.action({ name: "enable", method: "schedulers.enable", params: named });
}

async function list(view: View) {
  const { items } = await view.ask("schedulers.list", {});
  const why = await Promise.all(
    items.slice(0, ASKED).map(({ name }) => view.ask("schedulers.why", { scheduler: name })),
  );
  const body = html`${items.length === 0 && html`<p class="empty">This master has no schedulers yet. They are the list <code>schedulers</code> in its configuration.</p>`}
    ${items.map(
      ({ name, kind, builders, disabled, error, wakeAt, passedAt }, i) => html`<section id=${segment(name)}>
        <h2>${own(name)}</h2>
        <dl class="facts">
          <dt>Kind</dt><dd>${kind}</dd>
          <dt>State</dt><dd>${
            disabled !== null
              ? html`<span class="state cancelled"><span class="shape" aria-hidden="true">‖</span> disabled</span> by ${own(disabled.by)} ${moment(disabled.at)} ${own(disabled.reason)}`
              : error !== null
                ? html`<span class="state exception"><span class="shape" aria-hidden="true">‼</span> fails</span> ${own(error.message)}`
                : html`<span class="state success"><span class="shape" aria-hidden="true">✓</span> well</span>`
          }</dd>
          <dt>Builders</dt><dd>${builders.map((builder) => html`<span>${view.link("builder", { builder }, own(builder))} </span>`)}</dd>
          ${passedAt !== null && html`<dt>Looked last</dt><dd>${moment(passedAt)}</dd>`}
          ${wakeAt !== null && html`<dt>Looks next</dt><dd>${moment(wakeAt)}</dd>`}
          ${(why[i]?.reasons.length ?? 0) > 0 && html`<dt>Waits for</dt><dd>${why[i]?.reasons.map((reason) => html`<div>${whyText(reason)}</div>`)}</dd>`}
        </dl>
        ${
          disabled === null
            ? view.form(
                "disable",
                { scheduler: name },
                html`<label>Reason <input name="reason" maxlength="500" /></label> <button>Disable</button>`,
              )
            : view.form("enable", { scheduler: name }, html`<button>Enable</button>`)
        }
      </section>`,
    )}`;
  return { body, live: { types: ["scheduler.", "buildset.added", "config.loaded"] } };
}
