import type { PageDefinition, View, Web } from "../extension.ts";
import { type Html, html } from "../html.ts";
import { failure } from "../parts/failure.ts";
import { steps } from "../parts/steps.ts";
import { badge, moment, own, shortRevision, span, stateOf, took } from "../parts/texts.ts";
import { type Build, isGood, liveOf, numberOf, theBuild } from "../parts/the-build.ts";
import { timeline } from "../parts/timeline.ts";
import { valueText } from "../parts/values.ts";
import { type Keys, outside } from "../urls.ts";

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
    const parts = await Promise.all(
      ["build.head", "build.failure", "build.steps"].map((name) => view.snippet(name, keys)),
    );
    const panels = await view.panels("build", keys);
    return {
      title: `${keys.builder} #${build.number}`,
      trail: [view.link("builders", {}, "Builders"), view.link("builder", keys, own(keys.builder))],
      // Why it failed is looked into after its end.
      settled: build.state === "finished" && (build.failure !== null || isGood(build)),
      body: html`${parts} ${panels} ${triggered(view, build)} ${changes(view, build)} ${properties(build)}`,
    };
  },
};

async function head(view: View, keys: Keys) {
  const build = await theBuild(view, keys);
  const at = { builder: build.builder, number: build.number };
  const { branch, revision, usualMillis, startedAt, finishedAt, triggeredBy } = build;
  const body = html`<div class="head">
    <p class="result">${badge(stateOf(build))} ${own(build.summary)}</p>
    <dl class="facts">
      <dt>Reason</dt><dd>${own(build.reason)}${triggeredBy && html` of ${view.link("build", triggeredBy, html`${own(triggeredBy.builder)} #${triggeredBy.number}`)}`}</dd>
      ${build.sourceStamps.map((stamp) => stampRow(stamp))}
      ${build.sourceStamps.length === 0 && html`<dt>Source</dt><dd>${own(branch)} ${own(shortRevision(revision))}</dd>`}
      <dt>Worker</dt><dd>${view.link("worker", { worker: build.worker }, own(build.worker))}</dd>
      <dt>Started</dt><dd>${moment(startedAt ?? build.assignedAt)}</dd>
      <dt>Took</dt><dd>${took(startedAt, finishedAt)}${usualMillis !== null && html` <span class="usual">usually ${span(usualMillis)}</span>`}
        ${finishedAt === null && startedAt !== null && usualMillis !== null && html`<progress max=${usualMillis} data-since=${startedAt} aria-label="share of the usual time"></progress>`}</dd>
      ${build.stopReason && html`<dt>Stopped</dt><dd>${own(build.stopReason)}</dd>`}
      <dt>Request</dt><dd>${view.link("request", { request: build.request })} of ${view.link("buildset", { buildset: build.buildset })}</dd>
    </dl>
    <p class="beside">
      ${build.number > 1 && html`<a rel="prev" href=${view.url("build", { ...at, number: build.number - 1 })}>← earlier</a> `}
      <a rel="next" href=${view.url("build.later", at)}>later →</a>
    </p>
    ${
      build.state === "finished"
        ? view.form(
            "rebuild",
            at,
            html`<label>Reason <input name="reason" maxlength="500" /></label> <button>Rebuild</button>`,
          )
        : view.form(
            "stop",
            at,
            html`<label>Reason <input name="reason" maxlength="500" /></label> <button>Stop</button>`,
          )
    }
  </div>`;
  const live = liveOf(build, ["build."]);
  return live === undefined ? { body } : { body, live };
}

function stampRow({ codebase, repository, branch, revision, project, patch }: Build["sourceStamps"][number]): Html {
  return html`<dt>Source${codebase !== "" && html` ${own(codebase)}`}</dt>
    <dd>${own(repository)} ${branch && html`<span class="branch">${own(branch)}</span>`} ${revision && html`<code title=${revision}>${own(shortRevision(revision))}</code>`}
      ${project !== "" && html` ${own(project)}`}${patch && html` with a patch${patch.author && html` of ${own(patch.author)}`}`}</dd>`;
}

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
    ${shown.length === 0 ? html`<p class="empty">No step has begun${build.state === "finished" ? "" : " yet"}.</p>` : html`${timeline(shown)} ${steps(view, keys, shown, await Promise.all(logs))}`}
  </section>`;
  const live = liveOf(build, CHANGING);
  return live === undefined ? { body } : { body, live };
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
      }) => html`<li>${view.link("change", { change: id }, own(shortRevision(revision) || `change ${id}`))} <b>${own(author)}</b>
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
  web.page(page);
  web.snippet({ name: "build.head", render: head });
  web.snippet({ name: "build.failure", render: failure });
  web.snippet({ name: "build.steps", render: stepTree });
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
