import type { View, Web } from "../extension.ts";
import { html, written } from "../html.ts";
import { type State, stateOf, wordOf } from "../parts/texts.ts";

const COLOURS: Partial<Record<State, string>> = {
  success: "#17692b",
  warnings: "#855200",
  failure: "#b3161f",
  exception: "#7a3fb0",
};
const OTHER = "#5b6168";

/** Pictures of the state of a builder, for pages elsewhere. */
export function addBadges(web: Web): void {
  web.page({
    name: "badge",
    path: "/badges/:builder",
    async render(view) {
      const [, builder = "", ending] = /^(.*)\.(svg|json)$/s.exec(view.keys["builder"] ?? "") ?? [];
      const state = await lastState(view, builder);
      const label = view.query.get("label") ?? builder;
      if (ending === "json") {
        const content = JSON.stringify({
          schemaVersion: 1,
          label,
          message: wordOf(state),
          color: (COLOURS[state] ?? OTHER).slice(1),
        });
        return { type: "application/json; charset=utf-8", content: `${content}\n` };
      }
      return { type: "image/svg+xml; charset=utf-8", content: picture(label.slice(0, 100), state) };
    },
  });
}

async function lastState(view: View, builder: string): Promise<State> {
  const branch = view.query.get("branch");
  const { lastBuild } = await view.ask("builders.get", { builder, include: ["lastBuild"], ...(branch && { branch }) });
  return stateOf(lastBuild);
}

/** About as wide as the text: 7 units for a letter, more for those that are as wide as high. */
const widthOf = (text: string): number =>
  12 + [...text].reduce((sum, sign) => sum + ((sign.codePointAt(0) ?? 0) > 0x1100 ? 13 : 7), 0);

function picture(label: string, state: State): string {
  const [left, right] = [widthOf(label), widthOf(wordOf(state))];
  const text = (x: number, said: string) => html`<text x=${x} y="14" text-anchor="middle" fill="#fff">${said}</text>`;
  return written(html`<svg xmlns="http://www.w3.org/2000/svg" width=${left + right} height="20" role="img" aria-label=${`${label}: ${wordOf(state)}`}>
    <title>${`${label}: ${wordOf(state)}`}</title>
    <rect width=${left} height="20" fill="#333" /><rect x=${left} width=${right} height="20" fill=${COLOURS[state] ?? OTHER} />
    <g font-family="Verdana, sans-serif" font-size="11">${text(left / 2, label)}${text(left + right / 2, wordOf(state))}</g>
  </svg>`);
}
