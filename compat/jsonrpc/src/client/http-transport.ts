import { type Json, messageOf } from "belfry";
import { resultOf } from "./answer.ts";
import { clientFaults } from "./errors.ts";
import type { Transport } from "./transport.ts";

/** No method waits for more than 30 seconds. A machine that has vanished would be waited for without end. */
const LONGEST_CALL = 120_000;

/** One POST for each call. */
export function httpTransport(url: string, token: string | undefined): Transport {
  const headers: Record<string, string> = { "Content-Type": "application/json", Accept: "application/json" };
  if (token !== undefined) headers["Authorization"] = `Bearer ${token}`;
  const closed = new AbortController();
  let last = 0;

  return {
    where: url,
    async call(method, params, signal) {
      if (closed.signal.aborted) throw clientFaults.closed();
      last += 1;
      const body = JSON.stringify({ jsonrpc: "2.0", id: last, method, params });
      const late = AbortSignal.timeout(LONGEST_CALL);
      const either = AbortSignal.any([closed.signal, late, ...(signal ? [signal] : [])]);
      let status: number;
      let text: string;
      try {
        const response = await fetch(url, { method: "POST", headers, body, signal: either, redirect: "error" });
        status = response.status;
        text = await response.text();
      } catch (error) {
        signal?.throwIfAborted();
        if (closed.signal.aborted) throw clientFaults.closed();
        if (late.aborted) throw clientFaults.unreachable(url, `It did not answer within ${LONGEST_CALL / 1_000} s`);
        const { cause } = error as { cause?: unknown };
        throw clientFaults.unreachable(url, messageOf(cause ?? error), error);
      }
      return resultOf(parsed(text, status, url), url);
    },
    async close() {
      closed.abort(new Error("the client was closed"));
    },
  };
}

function parsed(text: string, status: number, url: string): Json {
  try {
    return JSON.parse(text);
  } catch {
    // A proxy says so when nobody is behind it.
    if (status >= 500) throw clientFaults.unreachable(url, `The answer was status ${status}`);
    throw clientFaults.answerStrange(url, `The answer was status ${status}, and no JSON.`);
  }
}
