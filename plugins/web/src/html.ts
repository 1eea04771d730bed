import htm from "htm";
import { type ComponentChildren, h, type VNode } from "preact";
import { renderToString } from "preact-render-to-string";

/** A piece of a page. Text in it is escaped when it is written. */
export type Html = ComponentChildren;

/** The tag of templates: `` html`<a href=${url}>${name}</a>` ``. What is filled in is text or another piece, never markup. */
export const html = (
  htm as unknown as { bind(make: typeof h): (parts: TemplateStringsArray, ...values: unknown[]) => Html }
).bind(h);

/** Writes a piece of a page. */
export function written(piece: Html): string {
  return renderToString(h("x-page", null, piece) as VNode).slice("<x-page>".length, -"</x-page>".length);
}
