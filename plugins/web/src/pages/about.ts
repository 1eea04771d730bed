import type { View, Web } from "../extension.ts";
import { type Html, html } from "../html.ts";
import { count, moment, own, span } from "../parts/texts.ts";

/** What is installed, and how the master does. */
export function addAbout(web: Web): void {
  web.page({
    name: "plugins",
    path: "/plugins",
    label: () => "Plugins",
    async render(view) {
      const { items } = await view.ask("plugins.list", {});
      return {
        title: "Plugins",
        trail: [view.link("about", {}, "About")],
        body: html`<div class="scroll" tabindex="0" role="region" aria-label="Plugins"><table class="list">
          <thead><tr><th scope="col">Plugin</th><th scope="col">Version</th><th scope="col">Kinds</th><th scope="col">Methods</th><th scope="col">Commands</th></tr></thead>
          <tbody>${items.map(
            ({
              name,
              version,
              kinds,
              methods,
              commands,
            }) => html`<tr><th scope="row">${own(name)}</th><td>${version ?? "not told"}</td>
              <td>${kinds.map(({ point, kind }) => html`<div><code>${kind}</code> <span class="by">${point}</span></div>`)}</td>
              <td>${methods.map((method) => html`<code>${method}</code> `)}</td><td>${commands.map((command) => html`<code>${command}</code> `)}</td></tr>`,
          )}</tbody></table></div>
          ${await view.panels("plugins", {})}`,
      };
    },
  });
  web.page({
    name: "about",
    path: "/about",
    label: () => "About",
    async render(view) {
      const [now, ready] = await Promise.all([view.ask("status.now", {}), view.ask("master.ready", {})]);
      const { lag, memory } = now.load;
      const failing = now.loops.filter(({ error }) => error !== null);
      return {
        title: "About",
        body: html`<p class="result">${ready.ready ? sign("success", "✓", "does its work") : sign("failure", "✗", "cannot do its work")} ${ready.troubles.map((trouble) => html`<div>${own(trouble)}</div>`)}</p>
          <dl class="facts wide">
            <dt>Master</dt><dd>${own(now.master)}, Belfry ${now.version}</dd>
            <dt>Runs since</dt><dd>${moment(now.startedAt)}</dd>
            ${await health(view)}
            <dt>Waiting</dt><dd>${view.link("requests", {}, count(now.pending, "request"))}</dd>
            <dt>Event loop</dt><dd>late by ${span(lag.p50)} half of the time, by ${span(lag.p99)} or more once in a hundred</dd>
            <dt>Memory</dt><dd>${Math.round(memory.resident / 1_048_576)} MB</dd>
            <dt>Installed</dt><dd>${view.link("plugins", {}, "plugins")}</dd>
          </dl>
          ${failing.length > 0 && html`<h2>Loops that fail</h2><ul>${failing.map(({ name, error }) => html`<li>${own(name)}: ${own(error)}</li>`)}</ul>`}
          ${await view.panels("about", {})}`,
      };
    },
  });
}

const sign = (state: string, shape: string, word: string): Html =>
  html`<span class=${`state ${state}`}><span class="shape" aria-hidden="true">${shape}</span> ${word}</span>`;

/** How many of the parts do well. */
async function health(view: View): Promise<Html> {
  const [workers, sources, schedulers] = await Promise.all([
    view.ask("workers.list", {}),
    view.ask("sources.list", {}),
    view.ask("schedulers.list", {}),
  ]);
  const row = (page: string, title: string, well: number, all: number, word: string) =>
    html`<dt>${title}</dt><dd>${view.link(page, {}, `${well} of ${all}`)} ${word}</dd>`;
  return html`${row("workers", "Workers", workers.items.filter(({ connected }) => connected).length, workers.items.length, "connected")}
    ${row("sources", "Sources", sources.items.filter((one) => one.health === "well").length, sources.items.length, "well")}
    ${row("schedulers", "Schedulers", schedulers.items.filter(({ error, disabled }) => error === null && disabled === null).length, schedulers.items.length, "at work")}`;
}
