import { pipeline, Readable } from "node:stream";
import { createGzip } from "node:zlib";
import type { Raw, View, Web } from "../extension.ts";
import { plainText } from "../parts/ansi.ts";
import { logPlace, wholeOf } from "../parts/log-place.ts";

const AT_ONCE = 1_000;
/** So many characters are sent before others have their turn. */
const PIECE = 256 * 1024;

/** Logs as text: all of it, or some lines. */
export function addLogText(web: Web, path: string): void {
  web.page({ name: "log.raw", path: `${path}/raw`, render: (view) => text(view, (line) => line) });
  web.page({ name: "log.text", path: `${path}/text`, render: (view) => text(view, plainText) });
}

/** Read while it is sent, so that it is never whole in memory. */
async function text(view: View, shown: (line: string) => string): Promise<Raw> {
  const at = logPlace(view.keys);
  const { query } = view;
  const from = wholeOf(query.get("from"), 1);
  const most = Math.max(0, wholeOf(query.get("lines"), Number.MAX_SAFE_INTEGER));
  const read = (first: number, left: number) =>
    view.ask("logs.read", { ...at, first, count: Math.max(1, Math.min(AT_ONCE, left)) });
  const first = await read(from < 0 ? from : Math.max(0, from - 1), most);
  async function* lines() {
    let open: string | undefined;
    for (let left = most, some = first; ; some = await read(some.next, left)) {
      const items = some.items.slice(0, left);
      if (items.length === 0 || view.signal.aborted) return;
      let piece = "";
      for (const line of items) {
        if (open !== undefined && open !== line.channel) piece += "\n";
        // The rest of a line that is too long for one stands in the next.
        open = line.continues ? line.channel : undefined;
        piece += `${shown(line.text)}${line.continues ? "" : "\n"}`;
        if (piece.length < PIECE) continue;
        yield piece;
        piece = "";
      }
      if (piece !== "") yield piece;
      left -= items.length;
      if (left === 0) return;
    }
  }
  const zipped = query.get("gzip") === "1";
  const name = `${at.builder}-${at.number}-${at.step}-${at.log}.txt`.replace(/[^\w.-]+/g, "_");
  const whole = Readable.from(lines());
  const kept = zipped || query.get("download") === "1";
  return {
    type: zipped ? "application/gzip" : "text/plain; charset=utf-8",
    content: zipped ? compressed(whole) : whole,
    headers: { "Content-Disposition": `${kept ? "attachment" : "inline"}; filename="${name}${zipped ? ".gz" : ""}"` },
  };
}

function compressed(lines: Readable): Readable {
  const zip = createGzip();
  pipeline(lines, zip, () => undefined);
  return zip;
}
