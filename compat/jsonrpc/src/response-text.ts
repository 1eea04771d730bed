import type { RpcResponse } from "./dialect.ts";

/** Results that were given before, `null` for once: while nothing happens the API answers with the same object again. */
const texts = new WeakMap<object, string | null>();

/** The JSON of a response. A result that is given again and again is written the second time, and then never more. */
export function responseText(response: RpcResponse): string {
  const { result } = response as { result?: unknown };
  if (typeof result !== "object" || result === null) return JSON.stringify(response);
  const known = texts.get(result);
  if (known === undefined) {
    texts.set(result, null);
    return JSON.stringify(response);
  }
  const text = known ?? JSON.stringify(result);
  texts.set(result, text);
  const members = Object.entries(response)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${JSON.stringify(name)}:${name === "result" ? text : JSON.stringify(value)}`);
  return `{${members.join(",")}}`;
}
