import type { BelfryError } from "belfry";
import type { Page } from "../extension.ts";
import { html } from "../html.ts";
import type { Near } from "../site.ts";
import { own, ticked } from "./texts.ts";

const TITLES: Record<number, string> = {
  400: "This cannot be used",
  401: "Please sign in",
  403: "This is not for you",
  404: "Nothing is here",
  409: "It is too late for this",
  429: "Too much at once",
  503: "Not now",
};

/** They are on every page about what is not there. */
const USUAL = new Set(["/", "/builders", "/changes"]);

/** A page about something that went wrong, with where to go: back to a form, to pages that are near, and to those that always are. */
export function faultPage(
  { code, what, why, fix, details }: BelfryError,
  status: number,
  { back, near = [] }: { back?: string | undefined; near?: readonly Near[] } = {},
): Page {
  const places = details.filter(({ path }) => path !== "retryAfterSeconds");
  const lost = status === 404;
  return {
    title: TITLES[status] ?? "Something is broken",
    body: html`<div class="fault">
      <p class="what" dir="auto">${what}</p>
      <p dir="auto">${ticked(why)}</p>
      <p dir="auto">${ticked(fix)}</p>
      ${places.length > 0 && html`<ul>${places.map(({ path, message }) => html`<li dir="auto"><code>${path}</code> ${message}</li>`)}</ul>`}
      ${back !== undefined && html`<p><a href=${back}>Back to where the form was</a></p>`}
      ${
        lost &&
        html`<p>From here you can go to</p>
          <ul>
            ${near.filter(({ path }) => !USUAL.has(path)).map(({ path, label }) => html`<li><a href=${path}>${own(label)}</a></li>`)}
            <li><a href="/">what happens now</a></li>
            <li><a href="/builders">all builders</a>, or look for one:
              <form method="get" action="/builders" role="search"><label>Name <input name="q" type="search" /></label> <button>Search</button></form>
            </li>
            <li><a href="/changes">the newest changes</a></li>
          </ul>`
      }
      <p class="code">${code}</p>
    </div>`,
  };
}
