import { slaveObject } from "../objects/slave.ts";
import { wholeNumber } from "../query.ts";
import type { Worker } from "../reader.ts";
import { leaf, type Node } from "../tree.ts";
import type { World } from "./world.ts";

/** One more than how many builds of each builder are looked at. */
const USUAL = 15;
/** If the query says something that is no number. */
const FALLBACK = 10;

export function slaveNode(worker: Worker, { reader, site, query, options }: World): Node {
  const asked = query.numbuilds === undefined ? USUAL : (wholeNumber(query.numbuilds) ?? FALLBACK);
  const most = Math.min(options.buildsLimit, Math.max(0, asked - 1));
  return leaf(
    "A slave: whether it is connected, what it builds now and what it built lately. The query `numbuilds` says how far to look back.",
    () => slaveObject(worker, reader, site, most),
  );
}
