import { BelfryError, messageOf } from "belfry";
import { SaxesParser } from "saxes";
import { faults } from "../errors.ts";
import type { Turns } from "../turns.ts";
import { CallGrammar, type CallLimits } from "./grammar.ts";
import { deserializeCall, type MethodCall } from "./package-codec.ts";

/** How many characters are parsed at a time. */
const STRIDE = 8_192;
const MOST_ATTRIBUTES = 20;

/**
 * Reads a method call that may be anything. Before the package's deserializer sees it, a strict pass
 * refuses what is not well-formed, not in the specification's grammar or too much, and what is left is
 * handed on in one plain form. Throws the errors of the catalogue.
 */
export async function decodeCall(text: string, limits: CallLimits, turns: Turns): Promise<MethodCall> {
  if (text === "") throw faults.malformed("It is empty.");
  const grammar = new CallGrammar(limits);
  const parser = strictParser(grammar);
  const rest = () => turns.next();
  for (let at = 0; at < text.length; at += STRIDE) {
    parser.write(text.slice(at, at + STRIDE));
    const turn = rest();
    if (turn) await turn;
  }
  parser.close();
  return deserializeCall(strided(grammar.finish()), rest);
}

function strictParser(grammar: CallGrammar): SaxesParser {
  const parser = new SaxesParser({ position: false, defaultXMLVersion: "1.0", forceXMLVersion: true });
  let attributes = 0;
  parser.on("error", (error) => {
    throw BelfryError.is(error) ? error : refusal(messageOf(error));
  });
  parser.on("doctype", () => {
    throw faults.malformed("It has a document type.");
  });
  parser.on("attribute", ({ name }) => {
    if (name !== "xmlns" && !name.startsWith("xmlns:")) throw faults.nonconforming("Elements have no attributes.");
    if (++attributes > MOST_ATTRIBUTES) throw faults.nonconforming("It has too many namespaces.");
  });
  parser.on("opentag", ({ name }) => grammar.open(name));
  parser.on("text", (piece) => grammar.text(piece));
  parser.on("cdata", (piece) => grammar.text(piece));
  parser.on("closetag", () => grammar.close());
  return parser;
}

function refusal(message: string): BelfryError {
  const why = `The parser says: ${message.replace(/^undefined:/, "")}`;
  return /disallowed character/i.test(message) ? faults.character(why) : faults.malformed(why);
}

/** Long texts in several pieces. */
function strided(pieces: readonly string[]): readonly string[] {
  if (pieces.every((piece) => piece.length <= 2 * STRIDE)) return pieces;
  const all: string[] = [];
  for (const piece of pieces) {
    for (let at = 0; at < piece.length; at += STRIDE) all.push(piece.slice(at, at + STRIDE));
  }
  return all;
}
