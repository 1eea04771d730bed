import type { View, Web } from "../extension.ts";
import { type Html, html } from "../html.ts";
import { onward } from "../parts/pager.ts";
import { requestTable } from "../parts/request-table.ts";
import { badge, count, moment, own, person, shortRevision, stateOf, took } from "../parts/texts.ts";
import { numberOf } from "../parts/the-build.ts";
import { valueText } from "../parts/values.ts";
import { type Keys, outside } from "../urls.ts";

const PAGE = 50;
const FILES = 500;
/** In so many of the last buildsets of a change it is looked for what waits. */
const BUILDSETS = 10;

/** What was changed, and what came of it. */
export function addChanges(web: Web): void {
  web.page({
    name: "changes",
    path: "/changes",
    label: () => "Changes",
    async render(view) {
      const keys = Object.fromEntries(
        ["branch", "project", "author", "revision", "source", "cursor"].map((name) => [
          name,
          (view.query.get(name) ?? "").trim(),
        ]),
      );
      const field = (name: string, label: string) =>
        html`<label>${label} <input name=${name} value=${keys[name]} size="14" /></label>`;
      return {
        title: "Changes",
        width: "full",
        body: html`<form method="get" action=${view.url("changes")} role="search" class="filters">
            ${field("branch", "Branch")} ${field("project", "Project")} ${field("author", "Person")} ${field("revision", "Revision")} ${field("source", "Source")} <button>Show</button>
          </form>
          ${await view.snippet("changes.list", keys)} ${await view.panels("changes", {})}`,
      };
    },
  });
  web.navigation({ title: "Changes", path: "/changes", order: 40 });
  web.snippet({ name: "changes.list", render: list });
  web.page({
    name: "change",
    path: "/changes/:change",
    label: ({ change }) => `change ${change}`,
    async render(view) {
      const change = numberOf(view.keys["change"]);
      const facts = await view.ask("changes.get", { change });
      const { items } = await view.ask("sources.list", {});
      const watched = items.some(({ name }) => name === facts.source);
      return {
        title: `Change ${shortRevision(facts.revision) || change}`,
        trail: [view.link("changes", {}, "Changes")],
        body: html`${factsOf(view, facts, watched)} ${await view.snippet("change.builds", { change })} ${await view.panels("change", { change })} ${files(facts.files)}`,
      };
    },
  });
  web.snippet({ name: "change.builds", render: builds });
}

async function list(view: View, keys: Keys) {
  const [branch, project, author, revision, source, cursor] = [
    "branch",
    "project",
    "author",
    "revision",
    "source",
    "cursor",
  ].map((name) => String(keys[name] ?? "")) as [string, string, string, string, string, string];
  const { items, next } = await view.ask("changes.list", {
    limit: PAGE,
    fields: ["id", "author", "comments", "revision", "branch", "when", "project", "codebase"],
    ...(branch !== "" && { branch }),
    ...(project !== "" && { project }),
    ...(source !== "" && { source }),
    ...(author !== "" && { author: author.slice(0, 200) }),
    ...(/^[0-9a-f]{4,39}$/i.test(revision) ? { revisionPrefix: revision } : revision !== "" && { revision }),
    ...(cursor !== "" && { cursor }),
  });
  const body = html`
    ${items.length === 0 && empty(view, [branch, project, author, revision, source], revision, next !== null)}
    ${
      items.length > 0 &&
      html`<div class="scroll" tabindex="0" role="region" aria-label="Changes"><table class="list">
      <thead><tr><th scope="col">Revision</th><th scope="col">Branch</th><th scope="col">Person</th><th scope="col">What</th><th scope="col">Project</th><th scope="col">When</th></tr></thead>
      <tbody>${items.map(
        ({
          id = 0,
          ...change
        }) => html`<tr><th scope="row">${view.link("change", { change: id }, own(shortRevision(change.revision) || `change ${id}`))}</th>
          <td>${change.branch && html`<span class="branch">${own(change.branch)}</span>`}</td><td>${person(change.author)}</td>
          <td>${own(change.comments?.split("\n", 1)[0])}</td><td>${own(change.project)}</td><td>${moment(change.when)}</td></tr>`,
      )}</tbody></table></div>`
    }
    ${onward(next, cursor === "", (at) => view.url("changes", {}, { branch, project, author, revision, source, cursor: at }))}`;
  return cursor === "" ? { body, live: { types: ["change.added"] } } : { body };
}

function empty(view: View, wanted: string[], revision: string, more: boolean): Html {
  if (wanted.every((text) => text === "")) return html`<p class="empty">No change is here.</p>`;
  return html`<p class="empty">No change ${more ? "among these" : "here"} fits what was chosen. <a href=${view.url("changes")}>Show all</a>
    ${revision !== "" && html` or <a href=${view.url("console", {}, { revision })}>look for builds of this revision</a>`}</p>`;
}

interface Facts {
  author: string;
  comments: string;
  revision: string | null;
  branch: string | null;
  repository: string;
  codebase: string;
  project: string;
  category: string | null;
  link: string | null;
  when: number;
  source: string;
  properties: Readonly<Record<string, unknown>>;
}

function factsOf(view: View, change: Facts, watched: boolean): Html {
  const row = (name: string, value: Html) => value && html`<dt>${name}</dt><dd>${value}</dd>`;
  const url = outside(change.link);
  return html`<p class="comments" dir="auto">${change.comments}</p>
    <dl class="facts wide">
      ${row("Author", own(change.author))}
      ${row("When", moment(change.when))}
      ${row("Revision", change.revision && html`<code>${own(change.revision)}</code>`)}
      ${row("Branch", own(change.branch))} ${row("Repository", own(change.repository))} ${row("Codebase", own(change.codebase))}
      ${row("Project", own(change.project))} ${row("Category", own(change.category))} ${row("Told by", watched ? view.link("source", { source: change.source }, own(change.source)) : own(change.source))}
      ${row("Link", url && html`<a href=${url} rel="noreferrer" dir="auto">${url}</a>`)}
      ${Object.entries(change.properties).map(([name, value]) => row(name, html`<code dir="auto">${valueText(value)}</code>`))}
    </dl>`;
}

async function builds(view: View, keys: Keys) {
  const { revision } = await view.ask("changes.get", { change: numberOf(keys["change"]) });
  const { items, next } =
    revision === null ? { items: [], next: null } : await view.ask("builds.list", { revision, limit: 100 });
  const body = html`<section aria-labelledby="builds"><h2 id="builds">Builds of this revision</h2>
    ${
      items.length === 0
        ? html`<p class="empty">None yet.</p>`
        : html`<div class="scroll" tabindex="0" role="region" aria-label="Builds"><table class="list">
        <thead><tr><th scope="col">Build</th><th scope="col">Result</th><th scope="col">Worker</th><th scope="col">Started</th><th scope="col">Took</th></tr></thead>
        <tbody>${items.map(
          ({
            builder = "",
            number = 0,
            worker = "",
            ...build
          }) => html`<tr><th scope="row">${view.link("build", { builder, number }, html`${own(builder)} #${number}`)}</th>
          <td>${badge(stateOf(build))} ${own(build.summary)}</td><td>${view.link("worker", { worker }, own(worker))}</td><td>${moment(build.startedAt ?? build.assignedAt)}</td><td>${took(build.startedAt, build.finishedAt)}</td></tr>`,
        )}</tbody></table></div>`
    }
    ${next !== null && revision !== null && html`<p><a href=${view.url("console", {}, { revision })}>More builds of this revision</a></p>`}</section>
    ${await waiting(view, numberOf(keys["change"]))}`;
  return { body, live: { types: ["build.assigned", "build.finished", "request.", "buildset."] } };
}

/** What was asked for because of it, and has not begun. */
async function waiting(view: View, change: number): Promise<Html> {
  const { items } = await view.ask("buildsets.list", { change, limit: BUILDSETS, fields: ["id", "result"] });
  const asked = items
    .filter(({ result }) => result === null)
    .map(({ id = 0 }) =>
      view.ask("requests.list", {
        buildset: id,
        state: "pending",
        limit: PAGE,
        include: ["reason", "sourceStamps"],
      }),
    );
  const requests = (await Promise.all(asked)).flatMap((answer) => answer.items).slice(0, PAGE);
  if (requests.length === 0) return null;
  return html`<section aria-labelledby="waiting"><h2 id="waiting">Waiting still</h2>${await requestTable(view, requests, { builder: true })}</section>`;
}

function files(list: readonly string[]): Html {
  if (list.length === 0) return null;
  return html`<section><details open=${list.length <= 20}><summary><h2>${count(list.length, "file")}</h2></summary>
    <ul>${list.slice(0, FILES).map((file) => html`<li>${own(file)}</li>`)}</ul>${list.length > FILES && html`<p>and ${list.length - FILES} others</p>`}</details></section>`;
}
