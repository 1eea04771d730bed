import type { Web } from "../extension.ts";
import { html } from "../html.ts";
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
        body: html`${items.map(
          ({ name, version, kinds, methods, commands }) => html`<section><h2>${own(name)} ${version}</h2>
            <dl class="facts">
              ${kinds.length > 0 && html`<dt>Offers</dt><dd>${kinds.map(({ point, kind }) => html`<div><code>${kind}</code> (${point})</div>`)}</dd>`}
              ${methods.length > 0 && html`<dt>Methods</dt><dd>${methods.join(", ")}</dd>`}
              ${commands.length > 0 && html`<dt>Commands</dt><dd>${commands.join(", ")}</dd>`}
            </dl></section>`,
        )}`,
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
      return {
        title: "About",
        body: html`<dl class="facts">
            <dt>Master</dt><dd>${own(now.master)}, Belfry ${now.version}</dd>
            <dt>Runs since</dt><dd>${moment(now.startedAt)}</dd>
            <dt>Does its work</dt><dd>${ready.ready ? "yes" : ready.troubles.map((trouble) => html`<div>${own(trouble)}</div>`)}</dd>
            <dt>Waiting</dt><dd>${count(now.pending, "request")}</dd>
            <dt>Event loop</dt><dd>late by ${span(lag.p50)} half of the time, ${span(lag.p99)} at worst but one in a hundred</dd>
            <dt>Memory</dt><dd>${Math.round(memory.resident / 1_048_576)} MB</dd>
            <dt>Installed</dt><dd>${view.link("plugins", {}, "plugins")}</dd>
          </dl>
          ${
            now.loops.some(({ error }) => error !== null) &&
            html`<h2>Loops that fail</h2><ul>${now.loops.filter(({ error }) => error !== null).map(({ name, error }) => html`<li>${own(name)}: ${own(error)}</li>`)}</ul>`
          }
          ${await view.panels("about", {})}`,
      };
    },
  });
}
