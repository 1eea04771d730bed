import type { CoreMethods } from "belfry";
import type { View, Web } from "../extension.ts";
import { type Html, html } from "../html.ts";
import { badge, ending, moment, own, person, revisionLink, shortRevision, stateOf } from "../parts/texts.ts";
import { numberOf } from "../parts/the-build.ts";
import { valueText } from "../parts/values.ts";
import type { Keys } from "../urls.ts";

const CHANGES = 50;
/** Of so many changes it is told what they are. */
const TOLD = 10;
/** Of so many requests the builds are looked up; of others it is told that there are some. */
const NAMED = 50;

type Builds = CoreMethods["builds.list"]["result"]["items"];

/** What was asked for at once, and what came of it. */
export function addBuildset(web: Web): void {
  web.page({
    name: "buildset",
    path: "/buildsets/:buildset",
    label: ({ buildset }) => `buildset ${buildset}`,
    async render(view) {
      const buildset = numberOf(view.keys["buildset"]);
      const facts = await view.ask("buildsets.get", { buildset });
      const body = await view.snippet("buildset.state", { buildset });
      return {
        title: `Buildset ${buildset}`,
        trail: [view.link("requests", {}, "Requests")],
        settled: facts.completeAt !== null,
        body: html`${body} ${await view.panels("buildset", { buildset })}`,
      };
    },
  });
  web.snippet({ name: "buildset.state", render: one });
  web.action({
    name: "rebuild-buildset",
    method: "buildsets.rebuild",
    params: (fields) => ({ buildset: numberOf(fields.get("buildset") ?? "") }),
    next: (answer, view) => view.url("buildset", { buildset: (answer as { buildset: number }).buildset }),
  });
}

function built(view: View, builder: string, ids: readonly number[], builds: Builds | undefined): Html {
  if (builds === undefined) return ids.map((build) => html`${view.link("build.by-id", { build })} `);
  return [...builds]
    .reverse()
    .map(
      ({ number = 0, ...build }) =>
        html`<div>${view.link("build", { builder, number }, html`#${number}`)} ${badge(stateOf(build))} ${own(build.summary)}</div>`,
    );
}

function changeOf(view: View, { id, revision, author, comments }: CoreMethods["changes.get"]["result"]): Html {
  return html`<div>${view.link("change", { change: id }, own(shortRevision(revision) || `change ${id}`))} ${person(author)}: ${own(comments.split("\n", 1)[0])}</div>`;
}

async function one(view: View, keys: Keys) {
  const buildset = numberOf(keys["buildset"]);
  const [facts, list] = await Promise.all([
    view.ask("buildsets.get", { buildset }),
    view.ask("requests.list", { buildset, include: ["builds"], order: "id", limit: 500 }),
  ]);
  const asked = list.items.filter(({ builds = [] }) => builds.length > 0).slice(0, NAMED);
  const known = new Map(
    await Promise.all(
      asked.map(async ({ id = 0 }) => [id, (await view.ask("builds.list", { request: id })).items] as const),
    ),
  );
  const told = await Promise.all(facts.changes.slice(0, TOLD).map((change) => view.ask("changes.get", { change })));
  const { scheduler, owner, parent, sourceStamps, changes, properties } = facts;
  const red = facts.result === "failure" || facts.result === "exception";
  const body = html`<p class="result">${ending(facts.result)}</p>
    <dl class="facts wide">
      <dt>Reason</dt><dd>${own(facts.reason)}</dd>
      ${scheduler !== null && html`<dt>Scheduler</dt><dd>${view.link("scheduler", { scheduler }, own(scheduler))}</dd>`}
      ${owner !== null && html`<dt>Asked for by</dt><dd>${own(owner)}</dd>`}
      ${parent !== null && html`<dt>Triggered by</dt><dd>${view.link("build", { builder: parent.builder, number: parent.number }, html`${own(parent.builder)} #${parent.number}`)}</dd>`}
      <dt>Asked for</dt><dd>${moment(facts.submittedAt)}</dd>
      ${facts.completeAt !== null && html`<dt>Ended</dt><dd>${moment(facts.completeAt)}</dd>`}
      ${sourceStamps.map((stamp) => html`<dt>Source ${own(stamp.codebase)}</dt><dd>${own(stamp.repository)} ${own(stamp.branch)} ${revisionLink(view, stamp.revision)}</dd>`)}
      ${changes.length > 0 && html`<dt>Changes</dt><dd>${told.map((change) => changeOf(view, change))}${changes.slice(TOLD, CHANGES).map((change) => html`${view.link("change", { change })} `)}${changes.length > CHANGES && "and others"}</dd>`}
      ${Object.entries(properties).map(([name, value]) => html`<dt>${own(name)}</dt><dd><code dir="auto">${valueText(value)}</code></dd>`)}
    </dl>
    ${red && view.form("rebuild-buildset", { buildset }, html`<button>Build again what failed</button>`)}
    <h2>Requests</h2>
    <div class="scroll" tabindex="0" role="region" aria-label="Requests"><table class="list">
      <thead><tr><th scope="col">Builder</th><th scope="col">State</th><th scope="col">Builds</th><th scope="col">Request</th></tr></thead>
      <tbody>${list.items.map(
        ({
          id = 0,
          builder = "",
          builds = [],
          ...request
        }) => html`<tr><th scope="row">${view.link("builder", { builder }, own(builder))}</th>
          <td>${badge(stateOf(request))}</td><td>${built(view, builder, builds, known.get(id))}</td><td>${view.link("request", { request: id })}</td></tr>`,
      )}</tbody></table></div>`;
  if (facts.completeAt !== null) return { body };
  return { body, live: { types: ["request.", "build.assigned", "build.finished", "buildset.finished"] } };
}
