import type { Json } from "belfry";
import { faults } from "./errors.ts";
import { find, type Node, object, said } from "./tree.ts";

type Fields = { [key: string]: Json };

/** Longer than the longest path of the tree; what is below would be "not available" all the same. */
const DEEPEST = 16;

/**
 * Exactly the named parts of what is below a node, each under the names of its path. The deepest come
 * first, so that what a node says of itself is added to what was selected below it.
 */
export async function selection(node: Node, paths: readonly string[][], limit: number): Promise<Json> {
  if (paths.length > limit) throw faults.selectRefused(`It has ${paths.length} parts; at most ${limit} are answered.`);
  if (paths.some((path) => path.length > DEEPEST))
    throw faults.selectRefused(`A path in it has more than ${DEEPEST} steps.`);
  const top: Fields = object<Json>([]);
  const each = new Map(paths.map((path) => [JSON.stringify(path), path])).values();
  for (const path of [...each].sort((a, b) => b.length - a.length)) {
    const found = await find(node, path);
    put(top, path, found === undefined ? { error: "Not available" } : await said(found));
  }
  return top;
}

function put(top: Fields, path: readonly string[], value: Json): void {
  let place = top;
  for (const name of path.slice(0, -1)) {
    if (!isFields(place[name])) place[name] = object<Json>([]);
    place = place[name] as Fields;
  }
  const last = path.at(-1);
  if (last === undefined) {
    if (isFields(value)) Object.assign(place, value);
  } else {
    const there = place[last];
    place[last] =
      isFields(there) && isFields(value) ? object([...Object.entries(there), ...Object.entries(value)]) : value;
  }
}

function isFields(value: Json | undefined): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
