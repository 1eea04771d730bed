import type { View, Web } from "../extension.ts";
import { type Html, html } from "../html.ts";
import { bytesText, own } from "../parts/texts.ts";
import { type Build, numberOf } from "../parts/the-build.ts";

/** What steps kept with a build, each as a file to be downloaded: a report, a list of packages. */
export function addBuildData(web: Web): void {
  web.page({
    name: "build.data",
    path: "/builders/:builder/builds/:number/data/:name",
    label: ({ name }) => `${name}`,
    async render(view) {
      const { builder = "", number, name = "" } = view.keys;
      const { items } = await view.ask("builds.data", { builder, number: numberOf(number), name });
      const [data] = items;
      const isJson = data?.type === "json";
      const content = isJson
        ? `${JSON.stringify(data.value, null, 2)}\n`
        : Buffer.from(String(data?.value ?? ""), "base64");
      const file = `${name}${isJson && !/\.json$/i.test(name) ? ".json" : ""}`.replace(/[^\w.-]+/g, "_");
      return {
        type: isJson ? "application/json; charset=utf-8" : "application/octet-stream",
        content,
        headers: { "Content-Disposition": `attachment; filename="${file}"` },
      };
    },
  });
}

export async function dataOf(view: View, { builder, number, steps = [] }: Build): Promise<Html> {
  const { items } = await view.ask("builds.data", { builder, number });
  if (items.length === 0) return null;
  const nameOf = (step: number) => steps.find((one) => one.step === step)?.name;
  return html`<section aria-labelledby="data"><h2 id="data">Files of the steps</h2>
    <ul>${items.map(({ name, step, bytes }) => html`<li><a href=${view.url("build.data", { builder, number, name })} download>${own(name)}</a> ${bytesText(bytes)}${nameOf(step) !== undefined && html` of <a href=${`#step-${step}`}>${own(nameOf(step))}</a>`}</li>`)}</ul></section>`;
}
