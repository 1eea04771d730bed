import type { Json } from "belfry";
import { Turns } from "./turns.ts";

/** A place of the tree below `/json`. */
export interface Node {
  /** One sentence for its help page. */
  readonly about: string;
  /** What it says; without it, it says what its children say. */
  own?(): Promise<Json>;
  /** Names of the children that there are. */
  names(): Promise<readonly string[]>;
  child(name: string): Promise<Node | undefined>;
}

/** A node without children. */
export function leaf(about: string, own: () => Promise<Json>): Node {
  return { about, own, names: async () => [], child: async () => undefined };
}

/** A node that is made of a few known children. */
export function branch(about: string, children: Record<string, Node>, own?: () => Promise<Json>): Node {
  return {
    about,
    ...(own && { own }),
    names: async () => Object.keys(children),
    child: async (name) => (Object.hasOwn(children, name) ? children[name] : undefined),
  };
}

export async function find(root: Node, path: readonly string[]): Promise<Node | undefined> {
  let node: Node | undefined = root;
  for (const name of path) {
    node = await node.child(name);
    if (node === undefined) return undefined;
  }
  return node;
}

/** What a node says; `null` if that is nothing, as for a child that has gone meanwhile. */
export async function said(node: Node | undefined): Promise<Json> {
  if (node === undefined) return null;
  if (node.own !== undefined) return node.own();
  const members: [string, Json][] = [];
  const turns = new Turns();
  for (const name of await node.names()) {
    if (turns.due) await turns.give();
    const child = await node.child(name);
    if (child !== undefined) members.push([name, await said(child)]);
  }
  return object(members);
}

/** An object with any names, `__proto__` too. */
export function object<T>(members: Iterable<readonly [string, T]>): { [key: string]: T } {
  const made: { [key: string]: T } = Object.create(null);
  for (const [name, value] of members) made[name] = value;
  return made;
}
