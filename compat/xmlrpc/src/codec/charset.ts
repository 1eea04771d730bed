import { isUtf8 } from "node:buffer";
import { faults } from "../errors.ts";

const DECLARATION = /^(?:\xef\xbb\xbf)?<\?xml\s[^>]*?encoding\s*=\s*["']([^"']*)["']/;

type Reader = (bytes: Buffer) => string;

const utf8: Reader = (bytes) => {
  if (!isUtf8(bytes)) throw faults.character("It is not in UTF-8.");
  const start = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  return bytes.toString("utf8", start);
};

const latin1: Reader = (bytes) => bytes.toString("latin1");

const READERS = new Map<string, Reader>([
  ["utf-8", utf8],
  ["utf8", utf8],
  ["us-ascii", utf8],
  ["ascii", utf8],
  ["iso-8859-1", latin1],
  ["latin1", latin1],
]);

/** The text of a body, in the encoding that its Content-Type or else its XML declaration names. */
export function textOf(bytes: Buffer, charset: string | undefined): string {
  if (bytes[0] === 0xff || bytes[0] === 0xfe) throw faults.encoding("UTF-16");
  const declared = DECLARATION.exec(bytes.toString("latin1", 0, 200))?.[1];
  const name = charset || declared || "utf-8";
  const read = READERS.get(name.toLowerCase());
  if (read === undefined) throw faults.encoding(name);
  return read(bytes);
}
