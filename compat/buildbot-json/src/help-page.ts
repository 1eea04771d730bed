import type { Node } from "./tree.ts";

const SHOWN = 200;

const ARGUMENTS: [string, string][] = [
  ["select=PATH", "only this part of what is below; may be repeated"],
  ["as_text=1", "to be read by people"],
  ["filter=1", "without what is empty, null, false or 0"],
  ["compact=0", "with line breaks"],
  ["callback=NAME", "as a call of this function"],
  ["numbuilds=N", "slaves: how far to look back"],
  ["max=N", "builds/_all: how many"],
];

/** What a node is, what is below it and how to ask, as a plain page. */
export async function helpPage(path: string, node: Node): Promise<string> {
  const names = await node.names();
  const children = names.slice(0, SHOWN).map((name) => {
    const below = `${path}/${encodeURIComponent(name.toWellFormed())}`;
    return `<li><a href="${escaped(`${below}?as_text=1`)}">${escaped(name)}</a> (<a href="${escaped(`${below}/help`)}">help</a>)</li>`;
  });
  if (names.length > SHOWN) children.push(`<li>and ${names.length - SHOWN} more</li>`);
  const rows = ARGUMENTS.map(([name, text]) => `<li><code>${escaped(name)}</code> ${escaped(text)}</li>`);
  return [
    "<!DOCTYPE html>",
    '<html lang="en"><head><meta charset="utf-8"><title>JSON help</title></head><body>',
    `<h1>${escaped(path)}</h1>`,
    `<p>${escaped(node.about)}</p>`,
    children.length === 0 ? "" : `<h2>Below</h2>\n<ul>\n${children.join("\n")}\n</ul>`,
    `<h2>Arguments</h2>\n<ul>\n${rows.join("\n")}\n</ul>`,
    `<p>Example: <a href="${escaped(`${path}?as_text=1`)}">${escaped(`${path}?as_text=1`)}</a></p>`,
    "</body></html>\n",
  ].join("\n");
}

function escaped(text: string): string {
  return text
    .toWellFormed()
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
