import { type Html, html } from "../html.ts";

/** Links to the other pages of a list. */
export function pager(page: number, pages: number, url: (page: number) => string): Html {
  if (pages <= 1) return null;
  const near = [...new Set([1, page - 2, page - 1, page, page + 1, page + 2, pages])].filter(
    (n) => n >= 1 && n <= pages,
  );
  return html`<nav class="pager" aria-label="Pages of this list">
    ${page > 1 && html`<a href=${url(page - 1)} rel="prev">Back</a>`}
    ${near.map((n) => html` <a href=${url(n)} aria-current=${n === page ? "page" : undefined} aria-label=${`Page ${n}`}>${n}</a>`)}
    ${page < pages && html` <a href=${url(page + 1)} rel="next">Next</a>`}
  </nav>`;
}

/** For lists that only know what follows. */
export function onward(
  next: string | null,
  first: boolean,
  url: (cursor: string | undefined) => string,
  [back, on]: readonly [string, string] = ["Newest", "Older"],
): Html {
  if (next === null && first) return null;
  return html`<nav class="pager" aria-label="Pages of this list">
    ${!first && html`<a href=${url(undefined)}>${back}</a>`} ${next !== null && html`<a href=${url(next)} rel="next">${on}</a>`}
  </nav>`;
}
