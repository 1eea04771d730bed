import type { PageDefinition, View, Web } from "../extension.ts";
import { type Html, html } from "../html.ts";
import { head } from "../parts/build-head.ts";
import { failure, unexplained } from "../parts/failure.ts";
import { steps } from "../parts/steps.ts";
import { badge, own, person, shortRevision, stateOf } from "../parts/texts.ts";
import { type Build, isGood, liveOf, numberOf, theBuild } from "../parts/the-build.ts";
import { timeline } from "../parts/timeline.ts";
import { valueText } from "../parts/values.ts";
import { type Keys, outside } from "../urls.ts";
import { addBuildData, dataOf } from "./build-data.ts";

/** Of so many logs that are still written the end is shown. */
const TAILS = 5;
const CHANGING = ["build.", "step.", "log.added", "log.finished"];

const page: PageDefinition = {
  name: "build",
  path: "/builders/:builder/builds/:number",
  label: ({ number }) => `#${number}`,
  async render(view) {
    const keys = { builder: view.keys["builder"] ?? "", number: numberOf(view.keys["number"]) };
    const build = await theBuild(view, keys);
    const [top, why, tree, more] = await Promise.all(
      ["build.head", "build.failure", "build.steps", "build.more"].map((name) => view.snippet(name, keys)),
    );
    const panels = await view.panels("build", keys);
    return {
      title: `${keys.builder} #${build.number}`,
      trail: [view.link("builders", {}, "Builders"), view.link("builder", keys, own(keys.builder))],
      // Why it failed is looked into after its end.
      settled: build.state === "finished" && (build.failure !== null || isGood(build)),
      body: html`${top} ${why} ${tree} ${panels} ${more} ${changes(view, build)}`,
    };
  },
};

async function stepTree(view: View, keys: Keys) {
  const build = await theBuild(view, keys);
  const shown = (build.steps ?? []).filter(({ hidden }) => !hidden);
  const written = (build.logs ?? []).filter(({ finished }) => !finished && build.state !== "finished").slice(-TAILS);
  const logs = (build.logs ?? []).map(async (log) =>
    written.includes(log)
      ? { ...log, tail: await view.snippet("log.tail", { ...keys, step: log.step, log: log.log }) }
      : log,
  );
  const body = html`<section aria-labelledby="steps"><h2 id="steps">Steps</h2>
    ${shown.length === 0 ? html`<p class="empty">No step has begun${build.state === "finished" ? "" : " yet"}.</p>` : html`${timeline(shown)} ${steps(view, keys, shown, await Promise.all(logs), build.failure)}`}
  </section>`;
  const live = liveOf(build, CHANGING) ?? unexplained(build);
  return live === undefined ? { body } : { body, live };
}

/** What grows while a build runs, besides its steps. */
async function more(view: View, keys: Keys) {
  const build = await theBuild(view, keys);
  const body = html`${triggered(view, build)} ${links(build)} ${await dataOf(view, build)} ${properties(build)}`;
  const live = liveOf(build, ["build.", "step.finished"]);
  return live === undefined ? { body } : { body, live };
}

/** What the steps have left elsewhere: packages, reports, pages. */
function links({ steps = [] }: Build): Html {
  const all = steps
    .filter(({ hidden }) => !hidden)
    .flatMap(({ step, name, links }) =>
      links.map((link) => ({ step, of: name, name: link.name, url: outside(link.url) })),
    )
    .filter(({ url }) => url !== undefined);
  if (all.length === 0) return null;
  return html`<section aria-labelledby="links"><h2 id="links">Links of the steps</h2>
    <ul>${all.map(({ name, url, step, of }) => html`<li><a href=${url} rel="noreferrer">${own(name)}</a> of <a href=${`#step-${step}`}>${own(of)}</a></li>`)}</ul></section>`;
}

function triggered(view: View, { triggered = [] }: Build): Html {
  if (triggered.length === 0) return null;
  return html`<section aria-labelledby="triggered"><h2 id="triggered">Triggered</h2>
    <ul>${triggered.map(
      ({
        buildset,
        scheduler,
        result,
        builds,
      }) => html`<li>${view.link("buildset", { buildset })} ${own(scheduler)} ${badge(stateOf({ state: "running", result }))}
        <ul>${builds.map(({ builder, number, result }) => html`<li>${view.link("build", { builder, number }, html`${own(builder)} #${number}`)} ${badge(stateOf({ state: "running", result }))}</li>`)}</ul></li>`,
    )}</ul></section>`;
}

function changes(view: View, { changes = [] }: Build): Html {
  if (changes.length === 0) return null;
  return html`<section aria-labelledby="changes"><h2 id="changes">Changes</h2>
    <ul class="changes">${changes.map(
      ({
        id,
        author,
        comments,
        revision,
        link,
      }) => html`<li>${view.link("change", { change: id }, own(shortRevision(revision) || `change ${id}`))} <b>${person(author)}</b>${" "}
        <span class="comments">${own(comments.split("\n", 1)[0])}</span>${outside(link) && html` <a href=${outside(link)} rel="noreferrer">source</a>`}</li>`,
    )}</ul></section>`;
}

function properties({ properties }: Build): Html {
  const names = Object.keys(properties).sort();
  if (names.length === 0) return null;
  return html`<section><details><summary><h2>Properties</h2></summary>
    <table><thead><tr><th scope="col">Name</th><th scope="col">Value</th><th scope="col">From</th></tr></thead>
    <tbody>${names.map((name) => html`<tr><th scope="row">${own(name)}</th><td><code dir="auto">${valueText(properties[name]?.value)}</code></td><td>${own(properties[name]?.source)}</td></tr>`)}</tbody></table>
  </details></section>`;
}

/** The page of a build, and the ways to it. */
export function addBuild(web: Web): void {
  addBuildData(web);
  web.page(page);
  web.snippet({ name: "build.head", render: head });
  web.snippet({ name: "build.failure", render: failure });
  web.snippet({ name: "build.steps", render: stepTree });
  web.snippet({ name: "build.more", render: more });
  web.page({
    name: "build.later",
    path: "/builders/:builder/builds/:number/later",
    async render(view) {
      const at = { builder: view.keys["builder"] ?? "", number: numberOf(view.keys["number"]) + 1 };
      const known = await view.ask("builds.get", at).catch(() => undefined);
      return { redirect: known ? view.url("build", at) : view.url("builder", { builder: at.builder }) };
    },
  });
  web.page({
    name: "build.by-id",
    path: "/builds/:build",
    label: ({ build }) => `build ${build}`,
    async render(view) {
      const { builder, number } = await view.ask("builds.get", { build: numberOf(view.keys["build"]) });
      return { redirect: view.url("build", { builder, number }) };
    },
  });
  const ofBuild = (fields: URLSearchParams) => ({
    builder: fields.get("builder") ?? "",
    number: numberOf(fields.get("number") ?? ""),
    ...(fields.get("reason") && { reason: fields.get("reason") }),
  });
  web.action({ name: "stop", method: "builds.stop", params: ofBuild });
  web.action({
    name: "rebuild",
    method: "builds.rebuild",
    params: ofBuild,
    next: (answer, view) => view.url("buildset", { buildset: (answer as { buildset: number }).buildset }),
  });
}
