import { html, WEB } from "@belfry/web";
import { definePlugin, defineService, z } from "belfry";

/** Says on the page of a build which of its steps took longest, and on a page of its own which of the last builds did. */
export const slowest = defineService({
  kind: "slowest",
  options: z.strictObject({
    show: z.int().positive().max(50).default(3).describe("how many steps of a build are shown"),
  }),
  create: ({ show }, ctx) => {
    let remove: (() => void)[] = [];
    return {
      role: "api",
      async start() {
        const web = ctx.container.resolve(WEB);
        remove = [
          web.panel({
            name: "slowest",
            page: "build",
            async render(view, { builder = "", number = 0 }) {
              const { items } = await view.ask("builds.steps", { builder: String(builder), number: Number(number) });
              const ended = items.map((step) => ({
                ...step,
                took: (step.finishedAt ?? step.startedAt) - step.startedAt,
              }));
              const longest = ended.sort((a, b) => b.took - a.took).slice(0, show);
              if (longest.length === 0) return null;
              return html`<h2>Slowest steps</h2>
                <ol>${longest.map(({ name, took }) => html`<li>${name}: ${took} ms</li>`)}</ol>`;
            },
          }),
          web.page({
            name: "slowest",
            path: "/slowest",
            async render(view) {
              const { items } = await view.ask("builds.list", { state: "finished", limit: 200 });
              const ended = items.map(({ builder = "", number = 0, startedAt, finishedAt }) => ({
                builder,
                number,
                took: (finishedAt ?? 0) - (startedAt ?? finishedAt ?? 0),
              }));
              const longest = ended.sort((a, b) => b.took - a.took).slice(0, 20);
              return {
                title: "Slowest builds",
                body: html`<ol>${longest.map((one) => html`<li>${view.link("build", one, `${one.builder} #${one.number}`)}: ${one.took} ms</li>`)}</ol>`,
              };
            },
          }),
          web.navigation({ title: "Slowest", path: "/slowest", order: 90 }),
        ];
      },
      async stop() {
        for (const take of remove) take();
        remove = [];
      },
    };
  },
});

export default definePlugin({ name: "slowest", version: "0.1.0", parts: [slowest] });
