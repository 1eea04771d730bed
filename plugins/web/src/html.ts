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

/** How many milliseconds of work on pages there may be before everybody else gets a turn. */
const SLICE = 5;
let sliceBegan: number | undefined;

/** To be awaited between pieces of work: lets others go on when it has been long, and takes its turn after those who wait. */
export async function breathe(): Promise<void> {
  while (sliceBegan !== undefined && performance.now() - sliceBegan > SLICE)
    await new Promise((resolve) => setImmediate(resolve));
  if (sliceBegan !== undefined) return;
  sliceBegan = performance.now();
  setImmediate(() => {
    sliceBegan = undefined;
  });
}

/** What an element has as its content, already written: `` html`<div ...${await writtenNow(piece)} />` ``. */
export async function writtenNow(piece: Html): Promise<{ dangerouslySetInnerHTML: { __html: string } }> {
  await breathe();
  return { dangerouslySetInnerHTML: { __html: written(piece) } };
}

/** Many pieces as the content of an element; however many there are, others get their turn. */
export async function inPieces<T>(
  things: Iterable<T>,
  make: (thing: T, i: number) => Html,
): Promise<{ dangerouslySetInnerHTML: { __html: string } }> {
  const texts: string[] = [];
  for (const thing of things) {
    await breathe();
    texts.push(written(make(thing, texts.length)));
  }
  return { dangerouslySetInnerHTML: { __html: texts.join("") } };
}
