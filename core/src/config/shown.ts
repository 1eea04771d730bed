import type { Plugin } from "../interfaces/plugin.ts";
import { isPlugin } from "../plugins/define.ts";

const MASK = "****";
const SECRET_WORDS =
  "pass(?:word|phrase|wd)?|pwd|secret|token|credentials?|authorization|(?:api|access|private)[_-]?key";
const SECRET_KEY = new RegExp(SECRET_WORDS, "i");
const CREDENTIALS = /(\w:\/\/)[^/\s"'`]*@/g;
const PARAMETER = new RegExp(`((?:${SECRET_WORDS})=)[^&\\s"'\`;]+`, "gi");

/**
 * A configuration as text: functions by their source, so that a change in them shows; passwords left out. What is
 * below a key that sounds like a secret is masked, and so are credentials in addresses, wherever they are.
 */
export function showConfig(config: unknown): string {
  return JSON.stringify(show(config, false, []));
}

function show(value: unknown, secret: boolean, above: readonly object[]): unknown {
  if (typeof value === "string") return secret ? MASK : maskText(value);
  if (typeof value === "bigint") return { $bigint: String(value) };
  if (typeof value === "function") return { $function: maskText(value.toString()) };
  if (typeof value !== "object" || value === null) return value;
  if (above.includes(value)) return { $again: above.length - above.indexOf(value) };
  const path = [...above, value];
  if (value instanceof RegExp) return { $pattern: String(value) };
  if (isPlugin(value)) return describe(value);
  if (value instanceof Map || value instanceof Set) return { [`$${kindOf(value)}`]: show([...value], secret, path) };
  if (ArrayBuffer.isView(value)) return { $bytes: value.byteLength };
  const { toJSON } = value as { toJSON?: unknown };
  if (typeof toJSON === "function") return show(toJSON.call(value), secret, path);
  if (Array.isArray(value)) return value.map((item) => show(item, secret, path));
  const entries = Object.entries(value).map(([key, item]) => [key, show(item, isSecret(key, secret, path), path)]);
  return Object.fromEntries(entries);
}

/** The kind of an entry is no secret, not even that of one in `secrets`; nor is what names a secret to be looked up. */
function isSecret(key: string, inherited: boolean, path: readonly object[]): boolean {
  if (inherited) return !(key === "kind" && path.length === 3) && !key.startsWith("$");
  return SECRET_KEY.test(key);
}

function describe(plugin: Plugin) {
  return { $plugin: plugin.name, version: plugin.version };
}

function kindOf(value: object): string {
  return value instanceof Map ? "map" : "set";
}

function maskText(text: string): string {
  return text.replace(CREDENTIALS, `$1${MASK}@`).replace(PARAMETER, `$1${MASK}`);
}
