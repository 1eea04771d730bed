import { faults } from "../errors.ts";
import type { Turns } from "../turns.ts";
import { serializeValue, WireString } from "./package-codec.ts";
import { DEEPEST, Encoded, type EncodeOptions, isStruct, members, plain } from "./plain.ts";
import { cleaned, isSendable, partsOf } from "./text.ts";

export { Encoded, type EncodeOptions } from "./plain.ts";

/** How much is serialized at a time, in about the number of values. */
const PIECE = 300;
const CHARACTERS_A_VALUE = 128;

/** `<value>…</value>` of anything that a method may answer. Throws `BELFRY_XMLRPC_UNSENDABLE`. */
export async function encodeValue(value: unknown, options: EncodeOptions, turns: Turns): Promise<string> {
  const out: string[] = [];
  await write(value, 0);
  return out.join("");

  async function write(value: unknown, depth: number): Promise<void> {
    if (depth > DEEPEST) throw faults.unsendable(`It is nested deeper than ${DEEPEST} levels.`);
    if (value instanceof Encoded) out.push(value.xml);
    else if (weightOf(value) <= PIECE) out.push(serializeValue(plain(value, options, depth)));
    else if (typeof value === "string") await writeText(value);
    else if (Array.isArray(value)) await writeArray(value, depth);
    else if (isStruct(value)) await writeStruct(value, depth);
    else out.push(serializeValue(plain(value, options, depth)));
  }

  async function writeText(text: string): Promise<void> {
    if (options.base64 && !isSendable(text)) {
      out.push(serializeValue(Buffer.from(text, "utf8")));
      return;
    }
    out.push("<value><string>");
    for (const part of partsOf(text, PIECE * CHARACTERS_A_VALUE)) {
      const xml = serializeValue(new WireString(cleaned(part)));
      if (xml !== "<value><string/></value>")
        out.push(xml.slice("<value><string>".length, -"</string></value>".length));
      await turns.next();
    }
    out.push("</string></value>");
  }

  async function writeArray(items: readonly unknown[], depth: number): Promise<void> {
    out.push("<value><array><data>");
    let run: unknown[] = [];
    let weight = 0;
    const flush = async () => {
      if (run.length > 0) {
        const xml = serializeValue(run.map((item) => plain(item, options, depth + 1)));
        out.push(xml.slice("<value><array><data>".length, -"</data></array></value>".length));
        run = [];
        weight = 0;
      }
      await turns.next();
    };
    for (const item of items) {
      const more = weightOf(item);
      if (weight + more > PIECE) await flush();
      if (more > PIECE) await write(item, depth + 1);
      else {
        run.push(item);
        weight += more;
      }
    }
    await flush();
    out.push("</data></array></value>");
  }

  async function writeStruct(struct: Record<string, unknown>, depth: number): Promise<void> {
    out.push("<value><struct>");
    let weight = 0;
    let run: Record<string, unknown> = Object.create(null);
    const flush = async () => {
      const xml = serializeValue(run);
      if (xml !== "<value><struct/></value>")
        out.push(xml.slice("<value><struct>".length, -"</struct></value>".length));
      run = Object.create(null);
      weight = 0;
      await turns.next();
    };
    for (const [name, member] of members(struct, options)) {
      const more = weightOf(member);
      if (weight + more > PIECE) await flush();
      if (more > PIECE) {
        // The package writes the name; the value takes the place of an empty one.
        const xml = serializeValue({ [name]: true }).slice("<value><struct>".length, -"</struct></value>".length);
        out.push(xml.slice(0, -"<value><boolean>1</boolean></value></member>".length));
        await write(member, depth + 1);
        out.push("</member>");
      } else {
        run[name] = plain(member, options, depth + 1);
        weight += more;
      }
    }
    await flush();
    out.push("</struct></value>");
  }
}

/** About how many values there are in one, not counted further than necessary. */
function weightOf(root: unknown): number {
  let weight = 0;
  const todo: unknown[] = [root];
  for (let value = todo.pop(); weight <= PIECE; value = todo.pop()) {
    weight += 1;
    if (value instanceof Encoded) return PIECE + 1;
    if (typeof value === "string") weight += value.length / CHARACTERS_A_VALUE;
    else if (Array.isArray(value)) {
      if (value.length > PIECE) return value.length;
      for (const item of value) todo.push(item);
    } else if (isStruct(value)) {
      const names = Object.keys(value);
      if (names.length > PIECE) return names.length;
      for (const name of names) todo.push(value[name]);
    }
    if (todo.length === 0) break;
  }
  return weight;
}
