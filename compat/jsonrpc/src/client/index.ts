import type { Api, Caller } from "belfry";
import { type Client, clientOver } from "./client.ts";
import { clientFaults } from "./errors.ts";
import { httpTransport } from "./http-transport.ts";
import { localTransport } from "./local-transport.ts";
import { socketTransport } from "./socket-transport.ts";
import { WebSocketTransport } from "./web-socket-transport.ts";

export type { CallOptions, Client } from "./client.ts";
export { type CursorStore, cursorAtMaster, cursorInFile } from "./cursors.ts";
export type { EventOptions, EventWish } from "./events.ts";
export type { LogLine, LogWish } from "./log-lines.ts";
export type { Methods } from "./methods.ts";
export { type ListenerReport, type RunListenerOptions, runListener } from "./run-listener.ts";

export interface ConnectOptions {
  /** Such as `belfry_…`. Not needed where anonymous reading is allowed, nor at a socket. */
  token?: string | undefined;
}

/**
 * A client for a master, chosen by the address: `http://…` or `https://…` for calls by POST,
 * `ws://…` or `wss://…` for one WebSocket, anything else is the path of a master's socket. A URL
 * without a path means `/rpc`. Nothing is opened before the first call.
 */
export function connect(address: string, { token }: ConnectOptions = {}): Client {
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(address)) {
    if (address === "" || address.includes("\0")) throw clientFaults.address(address);
    return clientOver(socketTransport(address));
  }
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url?.pathname === "/") url.pathname = "/rpc";
  switch (url?.protocol) {
    case "http:":
    case "https:":
      return clientOver(httpTransport(url.href, token));
    case "ws:":
    case "wss:":
      return clientOver(new WebSocketTransport(url.href, token));
    default:
      throw clientFaults.address(address);
  }
}

/** A client for the master in this process, as this caller. */
export function inProcess(api: Api, caller: Caller): Client {
  return clientOver(localTransport(api, caller));
}
