import type { View, Web } from "../extension.ts";
import { type Html, html } from "../html.ts";
import { moment, own } from "../parts/texts.ts";
import { segment } from "../urls.ts";

const SHAPES: Record<string, [state: string, shape: string]> = {
  well: ["success", "✓"],
  new: ["pending", "…"],
  slow: ["warnings", "!"],
  overdue: ["warnings", "!"],
  sick: ["failure", "✗"],
};

/** What watches for changes. */
export function addSources(web: Web): void {
  web.page({
    name: "sources",
    path: "/sources",
    label: () => "Sources",
    render: async (view) => ({
      title: "Sources",
      body: html`${await view.snippet("sources.list")} ${await view.panels("sources", {})}`,
    }),
  });
  web.link({
    type: "source",
    url: ({ source = "" }) => `/sources#${segment(source)}`,
    label: ({ source }) => String(source),
  });
  web.navigation({ title: "Sources", path: "/sources", order: 80 });
  web.snippet({ name: "sources.list", render: list });
  web.action({ name: "poll", method: "sources.poll", params: (fields) => ({ source: fields.get("source") ?? "" }) });
}

async function list(view: View) {
  const { items } = await view.ask("sources.list", {});
  const body = html`${items.length === 0 && html`<p class="empty">This master watches nothing yet. Change sources are the list <code>sources</code> in its configuration.</p>`}
    ${items.map(
      ({ name, kind, health, healthText, error, failures, ...times }) => html`<section id=${segment(name)}>
        <h2>${own(name)}</h2>
        <dl class="facts">
          <dt>Kind</dt><dd>${kind}</dd>
          <dt>Health</dt><dd>${healthMark(health)} ${own(healthText)}</dd>
          ${error !== null && html`<dt>Last error</dt><dd>${own(error.message)}${failures > 1 && ` (${failures} times)`}</dd>`}
          ${times.polledAt !== null && html`<dt>Looked last</dt><dd>${moment(times.polledAt)}</dd>`}
          ${times.lastSuccessAt !== null && html`<dt>Went well last</dt><dd>${moment(times.lastSuccessAt)}</dd>`}
          ${times.nextPollAt !== null && html`<dt>Looks next</dt><dd>${moment(times.nextPollAt)}</dd>`}
          ${times.pollingSince !== null && html`<dt>Looks now</dt><dd>since ${moment(times.pollingSince)} ${own(times.doing)}</dd>`}
        </dl>
        ${view.form("poll", { source: name }, html`<button>Look now</button>`)}
      </section>`,
    )}`;
  return { body, live: { types: ["source.", "change.added", "config.loaded"] } };
}

function healthMark(health: string): Html {
  const [state, shape] = SHAPES[health] ?? ["none", "·"];
  return html`<span class=${`state ${state}`}><span class="shape" aria-hidden="true">${shape}</span> ${health}</span>`;
}
