import type { View } from "../extension.ts";
import { type Html, html } from "../html.ts";
import type { Keys } from "../urls.ts";
import { askedTwice } from "./asked-twice.ts";
import { badge, count, moment, own, person, revisionLink, span, stateOf, took } from "./texts.ts";
import { type Build, liveOf, theBuild } from "./the-build.ts";

/** So many are named at the top. */
const PEOPLE = 10;

/** What a build is, how it did, and what can be done with it. */
export async function head(view: View, keys: Keys) {
  const build = await theBuild(view, keys);
  const at = { builder: build.builder, number: build.number };
  const { branch, revision, usualMillis, startedAt, assignedAt, finishedAt, triggeredBy } = build;
  const request = await view.ask("requests.get", { request: build.request }).catch(() => undefined);
  // Builds of one request follow each other: those before this one were tries that came to nothing.
  const tries = request?.builds ?? [];
  const before = Math.max(0, tries.indexOf(build.id));
  const next = tries[before + 1];
  const isStopping = build.state !== "finished" && build.stopReason !== null;
  const body = html`<div class="head">
    <p class="result">${badge(stateOf(build))} ${isStopping ? html`is being stopped: ${own(build.stopReason)}` : own(build.summary)}</p>
    <dl class="facts wide">
      <dt>Reason</dt><dd>${own(build.reason)}${triggeredBy && html` of ${view.link("build", triggeredBy, html`${own(triggeredBy.builder)} #${triggeredBy.number}`)}`}</dd>
      ${build.sourceStamps.filter(isSaid).map((stamp) => stampRow(view, stamp))}
      ${build.sourceStamps.length === 0 && (branch || revision) && html`<dt>Source</dt><dd>${own(branch)} ${revisionLink(view, revision)}</dd>`}
      ${people(build)}
      <dt>Worker</dt><dd>${view.link("worker", { worker: build.worker }, own(build.worker))}</dd>
      ${request && html`<dt>Waited</dt><dd>${took(request.submittedAt, assignedAt)}${before > 0 && ` with ${count(before, "try", "tries")} before`}</dd>`}
      <dt>Started</dt><dd>${moment(startedAt ?? assignedAt)}</dd>
      <dt>Took</dt><dd>${finishedAt === null && startedAt !== null && usualMillis !== null && html`<progress max=${usualMillis} data-since=${startedAt} aria-label="share of the usual time"></progress> `}${took(startedAt, finishedAt)}${usualMillis !== null && html` <span class="usual">usually ${span(usualMillis)}</span>`}</dd>
      ${build.stopReason && !isStopping && html`<dt>Stopped</dt><dd>${own(build.stopReason)}</dd>`}
      ${build.result === "retry" && html`<dt>Built again</dt><dd>${next === undefined ? html`as soon as ${view.link("request", { request: build.request })} has its turn` : view.link("build.by-id", { build: next }, "the next try")}</dd>`}
      <dt>Request</dt><dd>${view.link("request", { request: build.request })} of ${view.link("buildset", { buildset: build.buildset })}</dd>
    </dl>
    <div class="deeds"><p class="beside">
      ${build.earlier != null && html`<a rel="prev" href=${view.url("build", { ...at, number: build.earlier })}>← earlier</a> `}
      <a rel="next" href=${view.url("build.later", at)}>later →</a>
    </p>
    ${
      build.state === "finished"
        ? view.form(
            "rebuild",
            at,
            html`<label>Reason <input name="reason" maxlength="500" /></label> <button>Rebuild</button>`,
          )
        : !isStopping &&
          askedTwice(
            "Stop",
            view.form(
              "stop",
              at,
              html`<label>Reason <input name="reason" maxlength="500" /></label> <button>Stop this build</button>`,
            ),
          )
    }</div>
  </div>`;
  const live = liveOf(build, ["build."]);
  return live === undefined ? { body } : { body, live };
}

/** Who made what was built. */
function people({ changes = [], sourceStamps }: Build): Html {
  const authors = [...changes.map(({ author }) => author), ...sourceStamps.map(({ patch }) => patch?.author ?? "")];
  const names = [...new Set(authors)].filter((name) => name !== "");
  if (names.length === 0) return null;
  const shown = names.slice(0, PEOPLE).map((name, i) => html`${i > 0 && ", "}${person(name)}`);
  return html`<dt>People</dt><dd>${shown}${names.length > PEOPLE && ` and ${names.length - PEOPLE} others`}${changes.length > 0 && html`, <a href="#changes">${count(changes.length, "change")}</a>`}</dd>`;
}

/** Whether there is anything to be said of where the source is from. */
const isSaid = ({ repository, branch, revision, codebase, project, patch }: Build["sourceStamps"][number]): boolean =>
  [repository, branch, revision, codebase, project, patch].some(Boolean);

function stampRow(
  view: View,
  { codebase, repository, branch, revision, project, patch }: Build["sourceStamps"][number],
): Html {
  return html`<dt>Source${codebase !== "" && html` ${own(codebase)}`}</dt>
    <dd>${own(repository)} ${branch && html`<span class="branch">${own(branch)}</span>`} ${revisionLink(view, revision)}
      ${project !== "" && html` ${own(project)}`}${patch && html` with a patch${patch.author && html` of ${own(patch.author)}`}`}</dd>`;
}
