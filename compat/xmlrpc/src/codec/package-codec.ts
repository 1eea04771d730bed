import { createRequire } from "node:module";

// The package has no types, and of it only these two files are used: never its server.
interface Serializer {
  serializeMethodResponse(value: unknown): string;
  serializeFault(fault: unknown): string;
}

interface SaxStream {
  write(text: string): void;
  end(): void;
}

/** What the deserializer asks of a stream. */
interface Source {
  setEncoding(encoding: string): void;
  on(event: string, listener: (error: unknown) => void): void;
  pipe(parser: SaxStream): void;
}

interface Deserializer {
  deserializeMethodCall(source: Source, callback: (error: unknown, method?: string, params?: unknown[]) => void): void;
}

/** A node of the document that the serializer makes. */
interface XmlNode {
  ele(name: string): XmlNode;
  txt(text: string): XmlNode;
}

interface CustomType {
  raw: string;
  tagName: string;
  serialize(node: XmlNode): void;
}

const require = createRequire(import.meta.url);
const serializer = require("xmlrpc/lib/serializer") as Serializer;
const DeserializerClass = require("xmlrpc/lib/deserializer") as new () => Deserializer;
const CustomTypeClass = require("xmlrpc/lib/customtype") as new (raw: string) => CustomType;

/** A type of which the serializer writes the text as it is given, escaped. */
function typed(tagName: string): new (raw: string) => CustomType {
  const type = class extends CustomTypeClass {};
  type.prototype.tagName = tagName;
  return type;
}

/** Text without the package's CDATA, in which a carriage return is lost. */
export const WireString = typed("string");
export const WireDouble = typed("double");
export const WireLong = typed("i8");
/** In UTC; the package's own dates are local ones without a zone. */
export const WireDate = typed("dateTime.iso8601");

const [HEAD = "", TAIL = ""] = serializer.serializeMethodResponse(true).split("<value><boolean>1</boolean></value>");
const DECLARED = HEAD.replace('<?xml version="1.0"?>', '<?xml version="1.0" encoding="UTF-8"?>');

/** `<value>…</value>` of something that the package's serializer gets right. */
export function serializeValue(value: unknown): string {
  return serializer.serializeMethodResponse(value).slice(HEAD.length, -TAIL.length);
}

/** The whole answer around `<value>…</value>`. */
export function responseOf(value: string): string {
  return `${DECLARED}${value}${TAIL}`;
}

export function serializeFault(code: number, text: string): string {
  const fault = { faultCode: code, faultString: new WireString(text) };
  return serializer.serializeFault(fault).replace('<?xml version="1.0"?>', '<?xml version="1.0" encoding="UTF-8"?>');
}

export interface MethodCall {
  method: string;
  params: unknown[];
}

/** Feeds a method call to the package's deserializer, piece by piece; `rest` is awaited between them. */
export async function deserializeCall(
  pieces: readonly string[],
  rest: () => Promise<void> | undefined,
): Promise<MethodCall> {
  let parser: SaxStream | undefined;
  let failure: { error: unknown } | undefined;
  let call: MethodCall | undefined;
  const source: Source = {
    setEncoding() {},
    on() {},
    pipe(target) {
      parser = target;
    },
  };
  new DeserializerClass().deserializeMethodCall(source, (error, method = "", params = []) => {
    if (error) failure ??= { error };
    else call = { method, params };
  });
  for (const piece of pieces) {
    parser?.write(piece);
    const turn = rest();
    if (turn) await turn;
  }
  parser?.end();
  if (failure !== undefined) throw failure.error;
  if (call === undefined) throw new Error("the deserializer gave nothing");
  return call;
}
