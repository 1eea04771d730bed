import { faults } from "../errors.ts";
import { escaped, SCALARS } from "./scalars.ts";

export interface CallLimits {
  /** How many arrays and structs may be inside one another. */
  depth: number;
  /** How many values there may be in all: what the deserializer's time goes with. */
  values: number;
}

interface Frame {
  readonly tag: string;
  /** How many elements it has so far. */
  children: number;
  text: string;
  /** Of a struct: the names it has so far. */
  names: Set<string> | undefined;
}

const METHOD_NAME = /^[A-Za-z0-9_.:/]{1,200}$/;
const BLANK = /^[\t\n\r ]*$/;

/** What may be inside each element, in this order; a star means any number. */
const CHILDREN: Record<string, readonly string[] | { any: string }> = {
  methodCall: ["methodName", "params"],
  params: { any: "param" },
  param: ["value"],
  array: ["data"],
  data: { any: "value" },
  struct: { any: "member" },
  member: ["name", "value"],
};

/** What an element must have at its end; `params` alone may be missing. */
const LEAST: Record<string, number> = { methodCall: 1, param: 1, array: 1, member: 2 };

/**
 * Follows the elements of a method call as a parser reports them, refuses whatever the specification
 * does not have, and writes the call down again so plainly that no two parsers can differ on it.
 */
export class CallGrammar {
  readonly #limits: CallLimits;
  readonly #stack: Frame[] = [];
  readonly #pieces: string[] = [];
  #piece: string[] = [];
  #depth = 0;
  #values = 0;

  constructor(limits: CallLimits) {
    this.#limits = limits;
  }

  /** The call, rewritten. */
  finish(): readonly string[] {
    this.#cut();
    return this.#pieces;
  }

  open(tag: string): void {
    const parent = this.#stack.at(-1);
    this.#place(tag, parent);
    const frame: Frame = { tag, children: 0, text: "", names: tag === "struct" ? new Set() : undefined };
    this.#stack.push(frame);
    if (tag === "value" && ++this.#values > this.#limits.values) throw faults.tooMany(this.#limits.values);
    if (tag === "array" || tag === "struct") {
      if (++this.#depth > this.#limits.depth) throw faults.tooDeep(this.#limits.depth);
    }
    if (tag in CHILDREN || tag === "value") this.#write(`<${tag}>`);
  }

  text(text: string): void {
    const frame = this.#stack.at(-1);
    if (frame === undefined) return;
    if (frame.tag in CHILDREN || (frame.tag === "value" && frame.children > 0)) {
      if (!BLANK.test(text)) throw faults.nonconforming(`There is text inside <${frame.tag}>, beside its elements.`);
    } else frame.text += text;
  }

  close(): void {
    const frame = this.#stack.pop();
    if (frame === undefined) return;
    const { tag, text, children } = frame;
    if (children < (LEAST[tag] ?? 0)) throw faults.nonconforming(`<${tag}> is not complete.`);
    if (tag === "methodName") this.#methodName(text);
    else if (tag === "name") this.#memberName(text);
    else if (tag in CHILDREN) {
      if (tag === "array" || tag === "struct") this.#depth--;
      this.#write(`</${tag}>`);
    } else if (tag === "value") {
      if (children === 0) this.#write(`<string>${escaped(text)}</string>`);
      this.#write("</value>");
      if (this.#piece.length > 200) this.#cut();
    } else this.#write((SCALARS.get(tag) as (text: string, tag: string) => string)(text, tag));
  }

  #place(tag: string, parent: Frame | undefined): void {
    if (parent === undefined) {
      if (tag !== "methodCall") throw faults.nonconforming(`It begins with <${tag}> instead of <methodCall>.`);
      return;
    }
    const index = parent.children++;
    if (parent.tag === "value") {
      if (index > 0) throw faults.nonconforming("A <value> has more than one element.");
      if (!BLANK.test(parent.text)) throw faults.nonconforming("A <value> has text beside its element.");
      if (tag !== "array" && tag !== "struct" && !SCALARS.has(tag))
        throw faults.nonconforming(`There is no type <${tag}>.`);
      return;
    }
    const allowed = Object.hasOwn(CHILDREN, parent.tag) ? CHILDREN[parent.tag] : undefined;
    const expected = allowed === undefined ? undefined : "any" in allowed ? allowed.any : allowed[index];
    if (tag !== expected) throw faults.nonconforming(`<${tag}> is not allowed at this place in <${parent.tag}>.`);
  }

  #methodName(text: string): void {
    if (!METHOD_NAME.test(text))
      throw faults.nonconforming("The name of a method has letters, digits, and the signs _ . : / only.");
    this.#write(`<methodName>${text}</methodName>`);
  }

  #memberName(text: string): void {
    const names = this.#stack.at(-2)?.names;
    // The deserializer would set the prototype of its object.
    if (text === "__proto__") throw faults.nonconforming('A member of a struct cannot be named "__proto__".');
    if (names?.has(text)) throw faults.nonconforming("A struct has two members of the same name.");
    names?.add(text);
    this.#write(`<name>${escaped(text)}</name>`);
  }

  #write(text: string): void {
    this.#piece.push(text);
  }

  #cut(): void {
    if (this.#piece.length > 0) this.#pieces.push(this.#piece.join(""));
    this.#piece = [];
  }
}
