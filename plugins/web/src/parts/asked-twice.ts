import { type Html, html } from "../html.ts";

/** A form for what cannot be taken back: it opens by a first click, and is sent by a second one. */
export function askedTwice(label: string, form: Html, said = label): Html {
  return (
    form &&
    html`<details class="ask"><summary aria-label=${said === label ? undefined : said}>${label}…</summary>${form}</details>`
  );
}
