import type { CoreMethods } from "belfry";
import { nameUnknown } from "../errors.ts";
import type { View, Web } from "../extension.ts";
import { type Html, html } from "../html.ts";
import { count, moment, own } from "../parts/texts.ts";
import type { Keys } from "../urls.ts";

const SHAPES: Record<string, [state: string, shape: string]> = {
  well: ["success", "✓"],
  new: ["pending", "…"],
  slow: ["warnings", "!"],
  overdue: ["warnings", "!"],
  sick: ["failure", "✗"],
};
const LIVE = { types: ["source.", "change.added", "config.loaded"] };

type Source = CoreMethods["sources.list"]["result"]["items"][number];

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
  web.navigation({ title: "Sources", path: "/sources", order: 80 });
  web.snippet({ name: "sources.list", render: list });
  web.page({
    name: "source",
    path: "/sources/:source",
    label: ({ source }) => String(source),
    async render(view) {
      const source = view.keys["source"] ?? "";
      return {
        title: source,
        trail: [view.link("sources", {}, "Sources")],
        body: html`${await view.snippet("source.state", { source })} ${await view.panels("source", { source })}`,
      };
    },
  });
  web.snippet({ name: "source.state", render: one });
  web.action({ name: "poll", method: "sources.poll", params: (fields) => ({ source: fields.get("source") ?? "" }) });
}

async function list(view: View) {
  const { items } = await view.ask("sources.list", {});
  const body =
    items.length === 0
      ? html`<p class="empty">This master watches nothing yet. Change sources are the list <code>sources</code> in its configuration.</p>`
      : html`<div class="scroll" tabindex="0" role="region" aria-label="Sources"><table class="list">
        <thead><tr><th scope="col">Source</th><th scope="col">Kind</th><th scope="col">Health</th><th scope="col">Looked last</th><th scope="col">Went well last</th><th scope="col">Looks next</th><th scope="col"><span class="unseen">What to do</span></th></tr></thead>
        <tbody>${items.map(
          (source) => html`<tr><th scope="row">${view.link("source", { source: source.name }, own(source.name))}</th>
            <td><code>${source.kind}</code></td><td>${health(source)} ${own(source.healthText)}</td>
            <td>${looked(source)}</td><td>${moment(source.lastSuccessAt)}</td><td>${moment(source.nextPollAt)}</td><td>${pollOf(view, source)}</td></tr>`,
        )}</tbody></table></div>`;
  return { body, live: LIVE };
}

async function one(view: View, keys: Keys) {
  const name = String(keys["source"]);
  const { items } = await view.ask("sources.list", {});
  const found = items.find((source) => source.name === name);
  if (found === undefined) throw nameUnknown("source", name);
  const { kind, healthText, error, failures, lastSuccessAt, nextPollAt, pollingSince, doing } = found;
  const body = html`<p class="result">${health(found)} ${own(healthText)}</p>
    <dl class="facts wide">
      <dt>Kind</dt><dd><code>${kind}</code></dd>
      ${pollingSince !== null && html`<dt>Looks now</dt><dd>since ${moment(pollingSince)} ${own(doing)}</dd>`}
      <dt>Looked last</dt><dd>${looked(found)}</dd>
      <dt>Went well last</dt><dd>${lastSuccessAt === null ? "not yet" : moment(lastSuccessAt)}</dd>
      ${nextPollAt !== null && html`<dt>Looks next</dt><dd>${moment(nextPollAt)}</dd>`}
      ${error !== null && html`<dt>Last error</dt><dd>${own(error.message)}${failures > 1 && html` <span class="by">(${count(failures, "time")} in a row)</span>`}</dd>`}
      <dt>Changes</dt><dd><a href=${view.url("changes", {}, { source: name })}>what it told of</a></dd>
    </dl>
    ${pollOf(view, found)}`;
  return { body, live: LIVE };
}

const looked = ({ polledAt }: Source): Html => (polledAt === null ? "not yet" : moment(polledAt));

function pollOf(view: View, { name }: Source): Html {
  return view.form("poll", { source: name }, html`<button aria-label=${`Let ${name} look now`}>Look now</button>`);
}

function health({ health: word }: Source): Html {
  const [state, shape] = SHAPES[word] ?? ["none", "·"];
  return html`<span class=${`state ${state}`}><span class="shape" aria-hidden="true">${shape}</span> ${word}</span>`;
}
