import type { NavigationEntry, Page } from "./extension.ts";
import { type Html, html, written } from "./html.ts";

export interface Frame {
  /** Of the installation. */
  site: string;
  entries: readonly NavigationEntry[];
  /** The path of the request. */
  path: string;
  style: string;
  script: string;
  reader: Html;
}

export type Written = (position: string | undefined) => string;

/**
 * A page as a whole document. Where its stream begins is put in last, so that two pages that show the same are
 * the same without it.
 */
export function document(frame: Frame, page: Page): Written {
  const text = written(documentOf(frame, page));
  return (position) => {
    const body = position === undefined ? "<body>" : `<body data-position="${position.replace(/[^\w.-]/g, "")}">`;
    return `<!DOCTYPE html>\n${text.replace("<body>", body)}\n`;
  };
}

function documentOf({ site, entries, path, style, script, reader }: Frame, page: Page): Html {
  const { title, body, trail = [], width = "text" } = page;
  return html`<html lang="en">
    <head>
      <meta charset="utf-8" />
      <meta name="viewport" content="width=device-width, initial-scale=1" />
      <meta name="color-scheme" content="light dark" />
      <title>${title === site ? site : `${title} · ${site}`}</title>
      <link rel="stylesheet" href=${style} />
      <link rel="icon" href="/web/icon.svg" type="image/svg+xml" />
      <script src=${script}></script>
    </head>
    <body>
      <a class="skip" href="#main">Skip to the content</a>
      <header class="top">
        <a class="site" href="/">${site}</a>
        <nav aria-label="Pages">
          <ul>
            ${entries.map((entry) => html`<li><a href=${entry.path} aria-current=${current(entry.path, path)}>${entry.title}</a></li>`)}
          </ul>
        </nav>
        <span class="reader">${reader}</span>
        <button type="button" id="theme" hidden>Theme</button>
      </header>
      <p id="stale" role="status" hidden></p>
      <main id="main" class=${width} tabindex="-1">
        ${trail.length > 0 && html`<nav class="trail" aria-label="Above this page"><ol>${trail.map((step) => html`<li>${step}</li>`)}</ol></nav>`}
        <h1>${title}</h1>
        ${body}
      </main>
      <footer><p>${site} · <a href="/about">about</a></p></footer>
    </body>
  </html>`;
}

function current(entry: string, path: string): "page" | "true" | undefined {
  if (entry === path) return "page";
  return entry !== "/" && path.startsWith(`${entry}/`) ? "true" : undefined;
}
