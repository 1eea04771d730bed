import type { Result } from "belfry";
import { type Html, html } from "../html.ts";
import { span, stateOf, wordOf } from "./texts.ts";

interface Timed {
  number?: number;
  startedAt?: number | null;
  finishedAt?: number | null;
  result?: Result | null;
}

const HEIGHT = 60;
const STEP = 12;
/** A few builds do not fill the width. */
const LEAST = 25;

/** How long builds took, a bar each, the oldest at the left. */
export function trend(builds: readonly Timed[], url: (number: number) => string): Html {
  const ended = builds.filter(({ startedAt, finishedAt }) => startedAt && finishedAt).reverse();
  if (ended.length < 2) return null;
  const times = ended.map(({ startedAt, finishedAt }) => (finishedAt as number) - (startedAt as number));
  const most = Math.max(1, ...times);
  const title = `How long the last ${ended.length} builds took: from ${span(Math.min(...times))} to ${span(most)}`;
  return html`<svg class="trend" viewBox=${`0 0 ${Math.max(LEAST, ended.length) * STEP} ${HEIGHT}`} height=${HEIGHT} preserveAspectRatio="none" role="group" aria-label=${title}>
    ${ended.map((build, i) => {
      const height = Math.max(2, Math.round(((times[i] ?? 0) / most) * HEIGHT));
      const state = stateOf(build);
      const said = `#${build.number} ${wordOf(state)}, ${span(times[i] ?? 0)}`;
      // The same links are in the table below: the tabulator need not go through them twice.
      return html`<a href=${url(build.number ?? 0)} tabindex="-1" aria-label=${said}>
        <rect class=${state} x=${i * STEP} y=${HEIGHT - height} width=${STEP - 2} height=${height}><title>${said}</title></rect></a>`;
    })}
  </svg>`;
}
