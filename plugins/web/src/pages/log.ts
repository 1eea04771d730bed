import { pipeline, Readable } from "node:stream";
import { createGzip } from "node:zlib";
import type { CoreMethods } from "belfry";
import type { View, Web } from "../extension.ts";
import { type Html, html } from "../html.ts";
import { ansiText, plainText } from "../parts/ansi.ts";
import { count, own } from "../parts/texts.ts";
import { numberOf } from "../parts/the-build.ts";
import { type Keys, snippetPath } from "../urls.ts";

const LINES = 500;
const FOUND = 200;
/** So many lines of a log that is still written stand on the page of its build. */
const TAIL = 8;
/** What a page shows of one line; the download has all of it. */
const MOST_OF_A_LINE = 10_000;

type Lines = CoreMethods["logs.read"]["result"];

/** Logs: any line of any log at once. */
export function addLog(web: Web): void {
  const path = "/builders/:builder/builds/:number/steps/:step/logs/:log";
  web.page({
    name: "log",
    path,
    label: ({ log }) => `log ${log}`,
    async render(view) {
      const at = where(view.keys);
      const [build, { items }] = await Promise.all([
        view.ask("builds.get", { builder: at.builder, number: at.number }),
        view.ask("logs.list", { builder: at.builder, number: at.number, step: at.step }),
      ]);
      const facts = items.find(({ log }) => log === at.log);
      const find = view.query.get("find") ?? "";
      const first = Number(view.query.get("first")) || 0;
      const shown =
        facts === undefined || find === ""
          ? await view.snippet("log.lines", { ...at, first })
          : await found(view, at, find);
      return {
        title: `${facts?.name ?? "Log"} of ${at.builder} #${at.number}`,
        width: "full",
        settled: build.state === "finished" && facts?.finished === true,
        trail: [
          view.link("builders", {}, "Builders"),
          view.link("builder", at, own(at.builder)),
          view.link("build", at),
          html`<a href=${`${view.url("build", at)}#step-${at.step}`}>step ${at.step}</a>`,
        ],
        body: html`${items.length > 1 && html`<p>Logs of this step: ${items.map(({ log, name }) => html`${view.link("log", { ...at, log }, own(name))} `)}</p>`}
          ${bar(view, at, facts?.lines ?? 0, find)} ${shown}`,
      };
    },
  });
  web.snippet({
    name: "log.lines",
    async render(view, keys) {
      const at = where(keys);
      const first = Number(keys["first"]) || 0;
      const lines = await view.ask("logs.read", { ...at, first, count: LINES });
      const body = html`${viewed(view, at, lines)} ${onwards(view, at, lines)}`;
      if (lines.finished) return { body };
      return {
        body,
        live: growing(at),
      };
    },
  });
  web.snippet({
    name: "log.tail",
    async render(view, keys) {
      const at = where(keys);
      const { items, finished } = await view.ask("logs.read", { ...at, first: -TAIL, count: TAIL });
      if (finished) return { body: null };
      const body = html`<ol class="lines">${items.map(({ number, text }) => html`<li><span class="number">${number + 1}</span><code dir="auto">${ansiText(text.slice(0, MOST_OF_A_LINE))}</code></li>`)}</ol>`;
      return { body, live: growing(at) };
    },
  });
  web.page({ name: "log.raw", path: `${path}/raw`, render: raw });
}

const growing = ({ builder, number, step, log }: At) => ({
  types: ["log.grew", "log.finished"],
  match: { builder, number, step, log },
});

interface At {
  [key: string]: string | number;
  builder: string;
  number: number;
  step: number;
  log: number;
}

function where(keys: Keys): At {
  return {
    builder: String(keys["builder"] ?? ""),
    number: numberOf(keys["number"]),
    step: numberOf(keys["step"]),
    log: numberOf(keys["log"]),
  };
}

function bar(view: View, at: At, lines: number, find: string): Html {
  const here = view.url("log", at);
  return html`<form method="get" action=${here} role="search" class="filters">
      <label>Find <input type="search" name="find" value=${find} maxlength="1000" /></label> <button>Search</button>
    </form>
    <form method="get" action=${here} class="filters">
      <label>Line <input name="first" inputmode="numeric" pattern="-?[0-9]*" size="8" /></label> <button>Go</button>
      <span>${count(lines, "line")}: <a href=${here}>first</a> · <a href=${`${view.url("log", at, { first: -LINES })}#end`}>last</a> · <a href=${view.url("log.raw", at)} download>download</a>, <a href=${view.url("log.raw", at, { gzip: 1 })} download>gzipped</a></span>
    </form>`;
}

/** Lines as the viewer of the script goes on from: it reads more of them from the same snippet. */
function viewed(view: View, at: At, { items, next, lines, finished }: Lines): Html {
  const url = snippetPath("log.lines", at);
  return html`${items.length === 0 && html`<p class="empty">No line is here.</p>`}
    <ol class="lines" data-url=${url} data-first=${items[0]?.number ?? next} data-next=${next} data-lines=${lines} data-finished=${String(finished)}>
      ${lineItems(view, at, items, (number) => `${view.url("log", at, { first: number - (number % LINES) || undefined })}#L${number}`)}
    </ol>`;
}

function lineItems(view: View, at: At, lines: Lines["items"], href: (number: number) => string): Html {
  return lines.map(({ number, channel, time, text }) => {
    const rest =
      text.length > MOST_OF_A_LINE &&
      html` <a href=${view.url("log.raw", at)}>… the download has all ${text.length} characters</a>`;
    return html`<li id=${`L${number}`}><a class="number" href=${href(number)} title=${new Date(time).toISOString()}>${number + 1}</a><code class=${channel} dir="auto">${ansiText(text.slice(0, MOST_OF_A_LINE))}${rest}</code></li>`;
  });
}

function onwards(view: View, at: At, { items, next, lines, finished }: Lines): Html {
  const first = items[0]?.number ?? 0;
  return html`<nav class="pager" id="end" aria-label="Parts of the log">
    ${first > 0 && html`<a rel="prev" href=${view.url("log", at, { first: Math.max(0, first - LINES) || undefined })}>Earlier lines</a> `}
    ${next < lines && html`<a rel="next" href=${view.url("log", at, { first: next })}>Later lines</a> `}
    ${items.length > 0 && `lines ${first + 1} to ${next} of ${lines}`}${!finished && ", and more to come"}
  </nav>`;
}

async function found(view: View, at: At, find: string): Promise<Html> {
  const from = Number(view.query.get("from")) || 0;
  const {
    items,
    count: many,
    next,
    complete,
    lines,
  } = await view.ask("logs.search", { ...at, text: find, ignoreCase: true, first: from, limit: FOUND });
  const around = (number: number) =>
    `${view.url("log", at, { first: Math.max(0, number - 20) || undefined })}#L${number}`;
  return html`<p role="status">${complete ? "" : "At least "}${count(many, "line")} of ${lines} with <b dir="auto">${find}</b></p>
    ${items.length > 0 && html`<ol class="lines">${lineItems(view, at, items, around)}</ol>`}
    ${next !== null && html`<p><a rel="next" href=${view.url("log", at, { find, from: next })}>More of them</a></p>`}`;
}

/** The whole log as text, read while it is sent, so that it is never whole in memory. */
async function raw(view: View) {
  const at = where(view.keys);
  const first = await view.ask("logs.read", { ...at, first: 0, count: 1_000 });
  const keep = view.query.get("plain") === "1" ? plainText : (text: string) => text;
  async function* text() {
    for (let lines = first; ; lines = await view.ask("logs.read", { ...at, first: lines.next, count: 1_000 })) {
      if (lines.items.length === 0 || view.signal.aborted) return;
      yield lines.items.map((line) => `${keep(line.text)}\n`).join("");
    }
  }
  const zipped = view.query.get("gzip") === "1";
  const name = `${at.builder}-${at.number}-${at.step}-${at.log}.txt`.replace(/[^\w.-]+/g, "_");
  const lines = Readable.from(text());
  return {
    type: zipped ? "application/gzip" : "text/plain; charset=utf-8",
    content: zipped ? compressed(lines) : lines,
    headers: { "Content-Disposition": zipped ? `attachment; filename="${name}.gz"` : `inline; filename="${name}"` },
  };
}

function compressed(lines: Readable): Readable {
  const zip = createGzip();
  pipeline(lines, zip, () => undefined);
  return zip;
}
