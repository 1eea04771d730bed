import type { CoreMethods } from "belfry";
import type { View } from "../extension.ts";
import { type Html, html } from "../html.ts";
import { type Keys, outside } from "../urls.ts";
import { ansiText } from "./ansi.ts";
import { lineUrl, logPlace } from "./log-place.ts";
import { badge, count, own, stateOf, took } from "./texts.ts";
import type { Build } from "./the-build.ts";
import { errorText } from "./values.ts";

export type Step = CoreMethods["builds.steps"]["result"]["items"][number];
type Failure = Build["failure"] | undefined;
type Log = CoreMethods["logs.list"]["result"]["items"][number];

/** A log of a build, with the end of what it has so far if it is still written. */
export type TailedLog = Log & { tail?: Html };

/** The steps of a build as a tree; with those that failed stands the first line that names an error. */
export function steps(
  view: View,
  keys: Keys,
  all: readonly Step[],
  logs: readonly TailedLog[],
  failure: Failure = null,
): Html {
  const shown = new Set(all.map(({ step }) => step));
  const children = Map.groupBy(all, ({ parent }) => (parent !== null && shown.has(parent) ? parent : 0));
  const branch = (parent: number): Html => {
    const own = children.get(parent);
    return own === undefined
      ? null
      : html`<ol class="steps">${own.map((step) => html`<li>${one(view, keys, step, logs, failure)}${branch(step.step)}</li>`)}</ol>`;
  };
  return branch(0);
}

function one(view: View, keys: Keys, step: Step, logs: readonly TailedLog[], failure: Failure): Html {
  const { error, links, statistics, attempts } = step;
  return html`<div class="step" id=${`step-${step.step}`}>
    ${badge(stateOf(step))} <b>${own(step.name)}</b> <span class="summary">${own(step.summary)}</span> ${took(step.startedAt, step.finishedAt)}
    ${attempts.length > 0 && html` <span class="attempts">after ${count(attempts.length, "attempt")}</span>`}
    ${error !== null && html`<p class="error" dir="auto">${errorText(error)}</p>`}
    ${firstError(view, keys, step, failure)}
    ${logs
      .filter((log) => log.step === step.step)
      .map(
        (log) =>
          html` <span class="log">${view.link("log", { ...keys, step: step.step, log: log.log }, own(log.name))} ${count(log.lines, "line")}${log.truncated && " (cut)"}${log.tail && html` <a href=${`${view.url("log", { ...keys, step: step.step, log: log.log }, { from: -500 })}#end`}>follow</a>`}</span>${log.tail}`,
      )}
    ${links.map(({ name, url }) => outside(url) && html` <a class="outside" href=${outside(url)} rel="noreferrer">${own(name)}</a>`)}
    ${Object.entries(statistics).map(([name, value]) => html` <span class="statistic">${own(name)} ${value}</span>`)}
  </div>`;
}

function firstError(view: View, keys: Keys, { step }: Step, failure: Failure): Html {
  const log = failure?.steps.find((failed) => failed.step === step)?.logs.find(({ of }) => of === "errors");
  const line = log?.lines[0];
  if (log === undefined || line === undefined) return null;
  const href = lineUrl(view, logPlace({ ...keys, step, log: log.log }), line.number);
  return html`<p class="error"><a href=${href}>line ${line.number + 1}</a> <code dir="auto">${ansiText(line.text)}</code></p>`;
}
