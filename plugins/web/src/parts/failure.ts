import type { Live, Snippet, View } from "../extension.ts";
import { type Html, html } from "../html.ts";
import type { Keys } from "../urls.ts";
import { ansiText } from "./ansi.ts";
import { lineUrl, logPlace } from "./log-place.ts";
import { badge, mark, moment, own, person, shortRevision, stateOf, wordOf } from "./texts.ts";
import { type Build, isGood, liveOf, theBuild } from "./the-build.ts";

const MOST_BROKEN = 10;

/** What changes a build that failed: it is looked into after its end. */
export const unexplained = (build: Build): Live | undefined =>
  build.failure || isGood(build) ? undefined : { types: ["build.explained"], match: { build: build.id } };

/** Why a build failed: lines with errors, failed tests, the last good build and what changed since. */
export async function failure(view: View, keys: Keys): Promise<Snippet> {
  const build = await theBuild(view, keys);
  const live = liveOf(build, ["build."]) ?? unexplained(build);
  const found = build.failure;
  const body =
    found === null || found === undefined
      ? null
      : html`<section class="why" aria-labelledby="why"><h2 id="why">Why it failed</h2>
          ${found.steps.map(
            (
              step,
            ) => html`<h3>${mark(step.result, wordOf(step.result))} <a href=${`#step-${step.step}`}>${own(step.name)}</a>${!isSaid(build, step.summary) && html`: ${own(step.summary)}`}</h3>
              ${brokenBy(view, build, step.step)}
              ${step.logs.map(
                (
                  log,
                ) => html`<p>${log.of === "errors" ? "Lines with errors" : "The last lines"} of ${view.link("log", { ...keys, step: step.step, log: log.log }, own(log.name))}</p>
                  <ol class="lines">${log.lines.map(
                    ({ number, text }) =>
                      html`<li><a class="number" href=${lineUrl(view, logPlace({ ...keys, step: step.step, log: log.log }), number)}>${number + 1}</a><code dir="auto">${ansiText(text)}</code></li>`,
                  )}</ol>`,
              )}`,
          )}
          ${found.failing.length > 0 && html`<h3>Failed tests</h3><ul class="names">${found.failing.slice(0, 100).map((test) => html`<li>${own(test)}</li>`)}</ul>`}
          ${found.lastGood && html`<p>The last good build was ${view.link("build", { ...keys, number: found.lastGood.number })} ${moment(found.lastGood.finishedAt)}.</p>`}
          ${
            found.changes.length > 0 &&
            html`<h3>Changed since</h3>
              <ul>${found.changes.map((change) => html`<li>${view.link("change", { change: change.change }, own(shortRevision(change.revision) || `change ${change.change}`))} <b>${person(change.author)}</b> ${own(change.comments?.split("\n", 1)[0])}</li>`)}</ul>
              ${found.moreChanges && html`<p>and others</p>`}`
          }
        </section>`;
  return live === undefined ? { body } : { body, live };
}

/** The builds that a step has triggered and that failed: there the reason is to be found. */
function brokenBy(view: View, { triggered = [] }: Build, step: number): Html {
  const builds = triggered.filter((one) => one.step === step).flatMap((one) => one.builds);
  const broken = builds.filter((one) => one.result === "failure" || one.result === "exception");
  if (broken.length === 0) return null;
  return html`<ul>${broken.slice(0, MOST_BROKEN).map(({ builder, number, result }) => html`<li>It triggered ${view.link("build", { builder, number }, html`${own(builder)} #${number}`)} ${badge(stateOf({ result }))}</li>`)}
    ${broken.length > MOST_BROKEN && html`<li>and ${broken.length - MOST_BROKEN} others, <a href="#triggered">below</a></li>`}</ul>`;
}

/** Whether the top of the page has said it already. */
const isSaid = (build: Build, summary: string): boolean => build.summary.includes(summary);
