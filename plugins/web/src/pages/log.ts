import type { CoreMethods } from "belfry";
import type { View, Web } from "../extension.ts";
import { type Html, html } from "../html.ts";
import { hitList, hits, type Sought, soughtIn } from "../parts/log-hits.ts";
import { type LinesShown, type LinesWanted, logLines, MOST_LINES } from "../parts/log-lines.ts";
import { type LogPlace, logPlace, wholeOf } from "../parts/log-place.ts";
import { own } from "../parts/texts.ts";
import { search, snippetPath } from "../urls.ts";
import { addLogText } from "./log-raw.ts";

/** So many lines of a log that is still written stand on the page of its build. */
const TAIL = 8;
/** So many of the last lines stand there instead of one that is not there. */
const LAST = 20;

type Logs = CoreMethods["logs.list"]["result"]["items"];

/** Logs: any line of any log at once. */
export function addLog(web: Web): void {
  const path = "/builders/:builder/builds/:number/steps/:step/logs/:log";
  web.page({ name: "log", path, label: ({ log }) => `log ${log}`, render: page });
  web.snippet({
    name: "log.lines",
    async render(view, keys) {
      const at = logPlace(keys);
      const first = wholeOf(keys["first"], 0);
      const count = Math.min(MOST_LINES, Math.max(1, wholeOf(keys["count"], MOST_LINES)));
      const mark = keys["mark"] === undefined ? undefined : String(keys["mark"]);
      const picked = keys["picked"] === undefined ? undefined : wholeOf(keys["picked"], -1);
      const shown = await logLines(view, at, { first, count, mark, picked, end: keys["end"] !== undefined });
      const body = viewed(view, at, shown, { first, count, mark });
      return shown.finished ? { body } : { body, live: growing(at) };
    },
  });
  web.snippet({
    name: "log.tail",
    async render(view, keys) {
      const at = logPlace(keys);
      const { body, finished } = await logLines(view, at, { first: -TAIL, count: TAIL, back: TAIL });
      if (finished) return { body: null };
      return { body: html`<ol class="lines">${body}</ol>`, live: growing(at) };
    },
  });
  addLogText(web, path);
}

const growing = ({ builder, number, step, log }: LogPlace) => ({
  types: ["log.grew", "log.finished"],
  match: { builder, number, step, log },
});

async function page(view: View) {
  const at = logPlace(view.keys);
  const [build, { items }] = await Promise.all([
    view.ask("builds.get", { builder: at.builder, number: at.number, include: ["steps"] }),
    view.ask("logs.list", { builder: at.builder, number: at.number, step: at.step }),
  ]);
  const facts = items.find(({ log }) => log === at.log);
  const sought = soughtIn(view);
  const step = build.steps?.find((one) => one.step === at.step)?.name ?? `step ${at.step}`;
  const listed = sought !== undefined && view.query.get("list") === "1";
  const { top, body } = listed ? { top: null, body: await hitList(view, at, sought) } : await lines(view, at, sought);
  return {
    title: `${facts?.name ?? "Log"} of ${at.builder} #${at.number}`,
    width: "full" as const,
    settled: build.state === "finished" && facts?.finished === true,
    trail: [
      view.link("builders", {}, "Builders"),
      view.link("builder", at, own(at.builder)),
      view.link("build", at),
      html`<a href=${`${view.url("build", at)}#step-${at.step}`}>${own(step)}</a>`,
    ],
    body: html`${others(view, at, items)} <div class="log-top">${bar(view, at, sought)} ${top}</div> ${body}`,
  };
}

/** The lines that were asked for: by number, by what is in them, or from the beginning. */
async function lines(view: View, at: LogPlace, sought: Sought | undefined): Promise<{ top: Html; body: Html }> {
  const found = sought && (await hits(view, at, sought));
  const from = wholeOf(view.query.get("from"), found?.line === undefined ? 1 : Math.max(1, found.line - 4));
  const count = Math.min(MOST_LINES, Math.max(1, wholeOf(view.query.get("lines"), MOST_LINES)));
  const mark = sought && !sought.pattern && !sought.errors ? sought.find : undefined;
  let first = from < 0 ? from : Math.max(0, from - 1);
  let beyond: Html = null;
  const { items, lines: all, finished } = await view.ask("logs.read", { ...at, first, count: 1 });
  if (items.length === 0 && all > 0) {
    first = -Math.min(count, LAST);
    beyond = html`<p role="status">There is no line ${from}${finished ? "" : " yet"}. These are the last ones.</p>`;
  }
  const keys = { ...at, first, count, ...(mark && { mark }), ...(found?.line !== undefined && { picked: found.line }) };
  return { top: found?.body, body: html`${beyond} ${await view.snippet("log.lines", keys)}` };
}

function others(view: View, at: LogPlace, items: Logs): Html {
  if (items.length < 2) return null;
  return html`<nav aria-label="Logs of this step" class="others">Logs of this step: ${items.map(
    ({ log, name }) =>
      html`<a href=${view.url("log", { ...at, log })} aria-current=${log === at.log ? "page" : undefined}>${own(name)}</a> `,
  )}</nav>`;
}

function bar(view: View, at: LogPlace, sought: Sought | undefined): Html {
  const here = view.url("log", at);
  return html`<div class="log-bar">
    <form method="get" action=${here} role="search" class="filters">
      <label>Find <input type="search" name="find" value=${sought?.find ?? ""} maxlength="1000" aria-keyshortcuts="/" /></label>
      <label><input type="checkbox" name="pattern" value="1" checked=${sought?.pattern} /> as a pattern</label> <button>Search</button>
    </form>
    <form method="get" action=${here} class="filters">
      <label>Line <input name="from" inputmode="numeric" pattern="-?[0-9]*" size="9" /></label> <button>Go</button>
    </form>
    <p class="ways">
      <a href=${here} data-go="first" aria-keyshortcuts="G">first</a>
      <a href=${`${view.url("log", at, { from: -MOST_LINES })}#end`} data-go="end" aria-keyshortcuts="Shift+G">last</a>
      <a href=${view.url("log", at, { errors: 1 })} data-go="errors" aria-keyshortcuts="E">errors</a>
      <a href=${view.url("log.text", at)}>plain text</a>
      <a href=${view.url("log.raw", at)}>raw</a>
      <a href=${view.url("log.raw", at, { download: 1 })} download>download</a>
      <a href=${view.url("log.raw", at, { gzip: 1 })} download>gzipped</a>
    </p>
    <p class="switches" hidden>
      <button type="button" data-switch="unwrapped">Long lines in one row</button>
      <button type="button" data-switch="timed">Times</button>
      <button type="button" class="follow" aria-pressed="false" hidden>Follow</button>
    </p>
    <details class="help"><summary>Help</summary>
      <p><b>err</b> stands before what was written as an error, <b>ci</b> before what Belfry says.</p>
      <p class="switches" hidden>Keys: / find, n and N next and previous, e errors, g first, G last. Shift with a click picks several lines.</p>
    </details>
    <p class="told" role="status"></p>
  </div>`;
}

/** Lines as the viewer of the script goes on from: it reads more of them from the same snippet. */
function viewed(view: View, at: LogPlace, shown: LinesShown, { count, mark }: LinesWanted & { count: number }): Html {
  const { first, next, lines, finished, body } = shown;
  const part = count === MOST_LINES ? undefined : count;
  const wish = { wrap: view.query.get("wrap"), times: view.query.get("times") };
  const classes = ["lines", wish.wrap === "0" && "unwrapped", wish.times === "1" && "timed"].filter(Boolean).join(" ");
  const to = (from: number | undefined, more: object = {}) =>
    `${view.url("log", at)}${search({ ...wish, lines: part, from, ...more })}`;
  const onwards = (id: string | undefined) => html`<nav class="pager" id=${id} aria-label=${id ? "Onwards" : "Back"}>
    ${first > 0 && html`<a rel="prev" href=${to(Math.max(1, first + 1 - count))}>Earlier lines</a> `}
    ${next < lines && html`<a rel="next" href=${to(next + 1)}>Later lines</a> `}
    <span class="where">${next > first && `lines ${first + 1} to ${next} of ${lines}`}${!finished && ", and more to come"}</span>
    <noscript> <a href=${to(first + 1, { wrap: wish.wrap === "0" ? undefined : 0 })}>${wish.wrap === "0" ? "wrap long lines" : "long lines in one row"}</a>
      · <a href=${to(first + 1, { times: wish.times === "1" ? undefined : 1 })}>${wish.times === "1" ? "no times" : "times"}</a></noscript>
  </nav>`;
  return html`${onwards(undefined)} ${next === first && html`<p class="empty">No line is here.</p>`}
    <ol class=${classes} data-url=${snippetPath("log.lines", { ...at, ...(mark && { mark }) })} data-first=${first} data-next=${next} data-lines=${lines} data-finished=${String(finished)}>
      ${body}
    </ol> ${onwards("end")}`;
}
