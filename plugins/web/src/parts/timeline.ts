import { type Html, html } from "../html.ts";
import type { Step } from "./steps.ts";
import { span, stateOf, wordOf } from "./texts.ts";

const WIDTH = 1_000;
const ROW = 8;
const MOST = 200;

/** When each step ran, as bars under each other. */
export function timeline(steps: readonly Step[]): Html {
  const shown = steps.slice(0, MOST);
  const begin = Math.min(...shown.map(({ startedAt }) => startedAt));
  // A step that runs goes on to the right edge; where that is, is nobody's clock.
  const last = Math.max(...shown.map(({ startedAt, finishedAt }) => finishedAt ?? startedAt));
  const runs = shown.some(({ finishedAt }) => finishedAt === null);
  const whole = Math.max(1, last - begin) * (runs ? 1.1 : 1);
  const x = (at: number) => Math.round(((at - begin) / whole) * WIDTH);
  const title = `When each of the ${shown.length} steps ran, ${runs ? "up to now" : `${span(last - begin)} in all`}`;
  return html`<svg class="timeline" viewBox=${`0 0 ${WIDTH} ${shown.length * ROW}`} height=${shown.length * ROW} preserveAspectRatio="none" role="group" aria-label=${title}>
    ${shown.map(({ name, startedAt, finishedAt, ...step }, i) => {
      const left = x(startedAt);
      const right = finishedAt === null ? WIDTH : x(finishedAt);
      const state = stateOf({ state: "running", result: step.result });
      const said = `${name}: ${wordOf(state)}${finishedAt === null ? "" : `, ${span(finishedAt - startedAt)}`}`;
      // The same links are in the tree: the tabulator need not go through them twice.
      return html`<a href=${`#step-${step.step}`} tabindex="-1" aria-label=${said}>
        <rect class=${state} x=${left} y=${i * ROW} width=${Math.max(2, right - left)} height=${ROW - 2}><title>${said}</title></rect></a>`;
    })}
  </svg>
  <p class="axis"><span>0</span>${steps.length > MOST && html`<span>the first ${MOST} of ${steps.length} steps</span>`}<span>${runs ? "now" : span(last - begin)}</span></p>`;
}
