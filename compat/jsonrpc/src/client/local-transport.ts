import type { Api, Caller } from "belfry";
import { clientFaults } from "./errors.ts";
import type { Transport } from "./transport.ts";

/** Straight to the API of a master in this process. */
export function localTransport(api: Api, caller: Caller): Transport {
  const closed = new AbortController();
  return {
    where: "this process",
    async call(method, params, signal) {
      const check = () => {
        signal?.throwIfAborted();
        if (closed.signal.aborted) throw clientFaults.closed();
      };
      check();
      const either = signal ? AbortSignal.any([signal, closed.signal]) : closed.signal;
      // Given up, a method may well answer with what it has so far.
      return api.call(method, params, caller, either).finally(check);
    },
    async close() {
      closed.abort(new Error("the client was closed"));
    },
  };
}
