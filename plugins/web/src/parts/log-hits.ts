import { BelfryError, type CoreMethods } from "belfry";
import type { View } from "../extension.ts";
import { type Html, html } from "../html.ts";
import { ansiLine } from "./ansi.ts";
import { type LogPlace, lineUrl, wholeOf } from "./log-place.ts";
import { count, own } from "./texts.ts";

type Found = CoreMethods["logs.search"]["result"];

/** What a page looks for in a log. */
export interface Sought {
  find: string;
  pattern: boolean;
  errors: boolean;
}

const AT_ONCE = 500;
const LISTED = 200;

export function soughtIn(view: View): Sought | undefined {
  const find = view.query.get("find") ?? "";
  const errors = view.query.get("errors") === "1";
  if (find === "" && !errors) return undefined;
  return { find: errors ? "" : find, pattern: view.query.get("pattern") === "1", errors };
}

export interface Hits {
  body: Html;
  /** The line, counted from 0, that the page is about. */
  line: number | undefined;
}

/** The way from one line that was found to the next, and to those before. */
export async function hits(view: View, at: LogPlace, sought: Sought): Promise<Hits> {
  const first = Math.max(0, wholeOf(view.query.get("hit") ?? view.query.get("from"), 1) - 1);
  const found = await search(view, at, sought, first, AT_ONCE);
  if ("refused" in found) return { body: found.refused, line: undefined };
  const line = found.items[0]?.number;
  const next = found.items[1]?.number ?? found.next;
  const to = (number: number) => lineUrl(view, at, number, { ...queryOf(sought), hit: number + 1 });
  const all = found.items.map(({ number }) => number);
  const body = html`<nav class="hits" aria-label="What was found" data-hits=${JSON.stringify(all)} data-before=${found.before} data-next=${found.next}>
    <span role="status">${line === undefined ? null : html`<span class="at">${found.before + 1}</span> of `}${many(found, sought)}${line === undefined && found.count > 0 && `, none from line ${first + 1} on`}.${!found.complete && " It took too long to look through all of the log."}</span>
    ${found.previous !== null && html` <a rel="prev" aria-keyshortcuts="Shift+N" href=${to(found.previous)}>previous</a>`}
    ${next !== null && line !== undefined && html` <a rel="next" aria-keyshortcuts="N" href=${to(next)}>next</a>`}
    ${found.count > 0 && html` <a href=${view.url("log", at, { ...queryOf(sought), list: 1 })}>list them</a>`}
  </nav>`;
  return { body, line };
}

/** All lines that were found, as a list. */
export async function hitList(view: View, at: LogPlace, sought: Sought): Promise<Html> {
  const first = Math.max(0, wholeOf(view.query.get("hit"), 1) - 1);
  const found = await search(view, at, sought, first, LISTED);
  if ("refused" in found) return found.refused;
  const query = queryOf(sought);
  const mark = sought.pattern ? undefined : sought.find;
  const onward = found.next !== null && view.url("log", at, { ...query, list: 1, hit: found.next + 1 });
  return html`<p role="status">${many(found, sought)}.${!found.complete && " It took too long to look through all of the log."}</p>
    ${found.items.length > 0 && html`<ol class="lines">${found.items.map(({ number, channel, text }) => html`<li id=${`L${number + 1}`}><a class="number" href=${lineUrl(view, at, number, { ...query, hit: number + 1 })}>${number + 1}</a><code class=${channel} dir="auto">${ansiLine(text, { mark }).body}</code></li>`)}</ol>`}
    ${onward && html`<p><a rel="next" href=${onward}>More of them</a></p>`}`;
}

/** A pattern that is none is told above the log, which stays there. */
async function search(
  view: View,
  at: LogPlace,
  sought: Sought,
  first: number,
  limit: number,
): Promise<Found | { refused: Html }> {
  const { find, pattern, errors } = sought;
  const what = errors ? { errors: true as const } : { [pattern ? "pattern" : "text"]: find, ignoreCase: true };
  try {
    return await view.ask("logs.search", { ...at, ...what, first, limit });
  } catch (error) {
    const fault = BelfryError.is(error) ? error.details.find(({ path }) => path === "pattern") : undefined;
    if (!pattern || fault === undefined) throw error;
    return {
      refused: html`<div class="fault" role="alert"><p><b><bdi>${find}</bdi> is no pattern</b>: <span dir="auto">${fault.message.replace("(?i)", "")}</span>.</p>
        <p>Correct it, or take “as a pattern” away to find it as a text.</p></div>`,
    };
  }
}

const queryOf = ({ find, pattern, errors }: Sought) => ({
  find,
  pattern: pattern ? 1 : undefined,
  errors: errors ? 1 : undefined,
});

function many(found: Found, { find, pattern, errors }: Sought): Html {
  const least = found.complete ? "" : "at least ";
  const one = found.count === 1;
  const does = pattern ? (one ? "matches" : "match") : one ? "has" : "have";
  const what = errors ? `that ${one ? "names" : "name"} an error` : html`that ${does} <b>${own(find)}</b>`;
  return html`${least}${count(found.count, "line")} ${what}, of ${found.lines} in all`;
}
