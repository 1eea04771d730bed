import type { BelfryEvent, Json } from "belfry";
import { type EventOptions, type EventWish, readEvents } from "./events.ts";
import { type LogLine, type LogWish, readLog } from "./log-lines.ts";
import type { Methods, Params, Result } from "./methods.ts";
import type { Transport } from "./transport.ts";

export interface CallOptions {
  /** When it aborts, the call is given up and rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

/** Parameters may be left out where none is required. */
type CallArguments<M extends string> =
  Record<string, never> extends Params<M>
    ? [params?: Params<M>, options?: CallOptions]
    : [params: Params<M>, options?: CallOptions];

/** The same over every way to a master: HTTP, WebSocket, its socket, or in its own process. */
export interface Client extends AsyncDisposable {
  /** For messages: where the master is. */
  readonly where: string;
  /**
   * Calls a method. Rejects with the BelfryError that was thrown at the master, code and words
   * included, or with `BELFRY_JSONRPC_UNREACHABLE`. It is never tried again by itself: the caller
   * knows whether that would do something twice.
   */
  call<M extends keyof Methods | (string & {})>(method: M, ...args: CallArguments<M>): Promise<Result<M>>;
  /**
   * What happens, from a position on (default: from now on), each event once and in order. It goes on over
   * lost connections and restarts of the master, and nothing is read ahead of who reads slowly. Ends by
   * throwing the signal's reason, or what cannot be helped by trying again; `BELFRY_JSONRPC_GAP`
   * when events are missing, unless `onGap` is given.
   */
  events(wish?: EventWish, options?: EventOptions): AsyncGenerator<BelfryEvent, never>;
  /** The lines of a log, those to come too; ends with the log. Goes on over lost connections as `events` does. */
  followLog(wish: LogWish, options?: CallOptions): AsyncGenerator<LogLine, void>;
  /** Lets go of the connection; calls that wait are rejected. */
  close(): Promise<void>;
}

export function clientOver(transport: Transport): Client {
  return {
    where: transport.where,
    call: <M extends keyof Methods | (string & {})>(
      method: M,
      ...[params, options]: CallArguments<M>
    ): Promise<Result<M>> =>
      transport.call(method, (params ?? {}) as Json, options?.signal) as unknown as Promise<Result<M>>,
    events: (wish = {}, options = {}) => readEvents(transport, wish, options),
    followLog: (wish, options = {}) => readLog(transport, wish, options),
    close: () => transport.close(),
    [Symbol.asyncDispose]: () => transport.close(),
  };
}
