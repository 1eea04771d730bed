import type { Result } from "belfry";
import type { View } from "../extension.ts";
import { type Html, html } from "../html.ts";

export type State = Result | "running" | "assigned" | "pending" | "claimed" | "none";

/** A shape for each state, so that colour is never all there is. */
const SHAPES: Record<State, string> = {
  success: "✓",
  warnings: "!",
  failure: "✗",
  skipped: "–",
  exception: "‼",
  retry: "↻",
  cancelled: "■",
  running: "▶",
  assigned: "▷",
  pending: "…",
  claimed: "▷",
  none: "·",
};
const WORDS: Partial<Record<State, string>> = {
  none: "never built",
  assigned: "starting",
  pending: "waiting",
  claimed: "being built",
};

export const wordOf = (state: State): string => WORDS[state] ?? state;

/** What the state of a build is called: its result once it has one. */
export function stateOf(thing: { state?: string; result?: Result | null } | null | undefined): State {
  if (thing === null || thing === undefined) return "none";
  return thing.result ?? (thing.state as State | undefined) ?? "running";
}

/** A state, told by shape and word. */
export function badge(state: State): Html {
  return html`<span class=${`state ${state}`}><span class="shape" aria-hidden="true">${SHAPES[state]}</span> ${wordOf(state)}</span>`;
}

/** What came of something of several parts: until all have ended, some may run and some wait. */
export function ending(result: Result | null | undefined): Html {
  return result
    ? badge(result)
    : html`<span class="state running"><span class="shape" aria-hidden="true">▷</span> not ended yet</span>`;
}

/** A state where there is room for the shape only; `title` says all. */
export function mark(state: State, title: string): Html {
  return html`<span class=${`mark ${state}`} title=${title}><span aria-hidden="true">${SHAPES[state]}</span><span class="unseen">${title}</span></span>`;
}

/** A moment. Without script it is UTC; the script makes it relative, with the reader's own time in the title. */
export function moment(millis: number | null | undefined): Html {
  if (millis === null || millis === undefined) return null;
  const iso = new Date(millis).toISOString();
  return html`<time datetime=${iso} data-moment=${millis}>${`${iso.slice(0, 16).replace("T", " ")} UTC`}</time>`;
}

/** A time of day, with the date where `day` says so. Without script it is UTC; the script puts it into the reader's zone. */
export function clock(millis: number, day = false): Html {
  const iso = new Date(millis).toISOString();
  return html`<time datetime=${iso} data-clock=${millis} data-day=${day ? "1" : undefined}>${day ? iso.slice(5, 16).replace("T", " ") : iso.slice(11, 16)}</time>`;
}

/** The seconds of a time of day, where its minute stands above. */
export function seconds(millis: number): Html {
  const iso = new Date(millis).toISOString();
  return html`<time datetime=${iso} data-whole=${millis}>${iso.slice(16, 19)}</time>`;
}

/** Who wrote something; the address of "Ada <ada@example.org>" is in the title only. */
export function person(author: string | null | undefined): Html {
  const name = /^(.*\S)\s*<[^<>]*>$/s.exec(author ?? "")?.[1];
  return name === undefined ? own(author) : html`<bdi title=${author}>${name}</bdi>`;
}

/** How long something took. */
export function span(millis: number): string {
  if (millis < 1_000) return `${Math.max(0, Math.round(millis))} ms`;
  const seconds = Math.round(millis / 1_000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** How long something took, or takes already. */
export function took(from: number | null | undefined, to: number | null | undefined): Html {
  if (from === null || from === undefined) return null;
  if (to !== null && to !== undefined) return html`<span class="took">${span(to - from)}</span>`;
  return html`<span class="took"><time datetime=${new Date(from).toISOString()} data-since=${from}>${`since ${new Date(from).toISOString().slice(11, 19)} UTC`}</time></span>`;
}

export const shortRevision = (revision: string | null | undefined): string =>
  revision ? (/^[0-9a-f]{20,}$/i.test(revision) ? revision.slice(0, 10) : revision.slice(0, 40)) : "";

/** A revision; it leads to all builds of it. */
export function revisionLink(view: Pick<View, "url">, revision: string | null | undefined): Html {
  if (!revision) return null;
  return html`<a href=${view.url("console", {}, { revision })}><code title=${revision}>${own(shortRevision(revision))}</code></a>`;
}

/** Text that somebody else wrote: it keeps its own direction, and does not turn what is around it. */
export function own(text: string | null | undefined): Html {
  return text ? html`<bdi>${text}</bdi>` : null;
}

export const count = (many: number, one: string, more = `${one}s`): string => `${many} ${many === 1 ? one : more}`;

/** A size, in the unit that it is easiest to read in. */
export function bytesText(bytes: number): string {
  if (bytes < 1_000) return count(bytes, "byte");
  return bytes < 1_000_000 ? `${(bytes / 1_000).toFixed(1)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}

/** Words of an error: what stands between backticks is code. */
export function ticked(text: string): Html {
  return text.split(/`([^`]+)`/).map((part, i) => (i % 2 === 1 ? html`<code>${part}</code>` : part));
}
