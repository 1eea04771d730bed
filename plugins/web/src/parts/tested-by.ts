import type { CoreMethods } from "belfry";
import type { Snippet, View } from "../extension.ts";
import { type Html, html } from "../html.ts";
import type { Keys } from "../urls.ts";
import { badge, count, moment, own, person, shortRevision, stateOf, took } from "./texts.ts";

const MOST = 200;
const CHANGES = 20;
/** Fewer hex digits begin too much. */
const BEGINNING = /^[0-9a-f]{4,64}$/i;

type Builds = CoreMethods["builds.list"]["result"]["items"];
type Changes = CoreMethods["changes.list"]["result"]["items"];

/** Where a reader asks for the builds of a revision. */
export function finder(view: View, revision: string): Html {
  return html`<form method="get" action=${view.url("console")} role="search" class="filters">
    <label>Which builds tested revision <input name="revision" value=${revision} size="42" placeholder="all of it, or how it begins" /></label>
    <button>Find</button> ${revision !== "" && html`<span>${view.link("console", {}, "All changes")}</span>`}
  </form>`;
}

/** The changes and builds of a revision, however old they are: of exactly this one, or else of those that begin like it. */
export async function tested(view: View, keys: Keys): Promise<Snippet> {
  const revision = String(keys["revision"] ?? "")
    .trim()
    .slice(0, 500);
  let [changes, builds] = await ask(view, { revision });
  if (changes.length === 0 && builds.length === 0 && BEGINNING.test(revision))
    [changes, builds] = await ask(view, { revisionPrefix: revision });
  const body = html`
    ${changes.length === 0 && builds.length === 0 && html`<p class="empty">No change is here, and no build of it.${/^[0-9a-f]{1,3}$/i.test(revision) && " The beginning of a revision needs at least four of its digits."}</p>`}
    ${changes.length > 0 && html`<h2>${count(changes.length, "change")}</h2><ul class="rows">${changes.map((change) => changeRow(view, change))}</ul>`}
    ${changes.length > 0 && builds.length === 0 && html`<p class="empty">No build of it yet.</p>`}
    ${
      builds.length > 0 &&
      html`<h2>${builds.length === MOST ? `The last ${MOST} builds` : `Tested by ${count(builds.length, "build")}`}</h2>
      <div class="scroll" tabindex="0" role="region" aria-label="Builds"><table class="list">
        <thead><tr><th scope="col">Build</th><th scope="col">Result</th><th scope="col">Revision</th><th scope="col">Worker</th><th scope="col">Started</th><th scope="col">Took</th></tr></thead>
        <tbody>${builds.map((build) => buildRow(view, build))}</tbody>
      </table></div>`
    }`;
  return { body, live: { types: ["build.assigned", "build.finished", "change.added"] } };
}

async function ask(view: View, which: { revision: string } | { revisionPrefix: string }): Promise<[Changes, Builds]> {
  const [changes, builds] = await Promise.all([
    view.ask("changes.list", {
      ...which,
      limit: CHANGES,
      fields: ["id", "author", "comments", "revision", "branch", "when"],
    }),
    view.ask("builds.list", { ...which, limit: MOST }),
  ]);
  return [changes.items, builds.items];
}

function changeRow(view: View, { id = 0, author, comments, revision, branch, when }: Changes[number]): Html {
  return html`<li><div class="row">
    <span class="name">${view.link("change", { change: id }, own(shortRevision(revision) || `change ${id}`))} ${branch && html`<span class="branch">${own(branch)}</span>`}</span>
    <span>${person(author)}</span><span>${own(comments?.split("\n", 1)[0])}</span><span>${moment(when)}</span>
  </div></li>`;
}

function buildRow(view: View, { builder = "", number = 0, worker = "", revision, ...build }: Builds[number]): Html {
  return html`<tr><th scope="row">${view.link("build", { builder, number }, html`${own(builder)} #${number}`)}</th>
    <td>${badge(stateOf(build))} ${own(build.summary)}</td><td><code title=${revision}>${own(shortRevision(revision))}</code></td>
    <td>${view.link("worker", { worker }, own(worker))}</td><td>${moment(build.startedAt ?? build.assignedAt)}</td><td>${took(build.startedAt, build.finishedAt)}</td></tr>`;
}
