import type { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { BelfryError, type Logger, messageOf } from "belfry";
import { requestIdOf } from "./application.ts";
import { faults } from "./errors.ts";
import type { HostGuard } from "./host-guard.ts";
import type { Mounts } from "./mounts.ts";
import { rawRefusal } from "./refusal.ts";

export interface UpgradeParts {
  mounts: Mounts;
  guard: HostGuard;
  log: Logger;
  proxy: boolean;
  stopping(): boolean;
}

/** Apart, so that the listener keeps nothing of the request in memory for as long as the connection lasts. */
function noteErrors(socket: Duplex, log: Logger, requestId: string): void {
  socket.on("error", (error) => log.debug({ requestId, error: error.message }, "an upgraded connection failed"));
}

/** Of the addresses that proxies have added, the one of the proxy that is nearest: as `maxIpsCount: 1` has it for requests. */
function lastOf(header: string | string[] | undefined): string | undefined {
  return String(header ?? "")
    .split(",")
    .at(-1)
    ?.trim();
}

function firstOf(header: string | string[] | undefined): string {
  return String(header ?? "")
    .split(",", 1)[0]
    ?.trim() as string;
}

/** The listener for requests that ask to leave HTTP. */
export function upgrades({ mounts, guard, log, proxy, stopping }: UpgradeParts) {
  return (req: IncomingMessage, socket: Duplex, head: Buffer): void => {
    const requestId = requestIdOf(req);
    if (socket instanceof Socket) socket.setTimeout(0);
    noteErrors(socket, log, requestId);
    try {
      if (stopping()) throw faults.stopping();
      const path = (req.url ?? "").split("?", 1)[0] ?? "";
      const forwarded = proxy ? firstOf(req.headers["x-forwarded-host"]) : "";
      const host = forwarded || (req.headers.host ?? "");
      guard.check(req, host);
      const handler = mounts.upgradeAt(path);
      if (handler === undefined) throw faults.pathUnknown(path);
      const ip = proxy ? lastOf(req.headers["x-forwarded-for"]) : undefined;
      const protocol = proxy ? firstOf(req.headers["x-forwarded-proto"]) || "http" : "http";
      const asked = { req, host, protocol, ...(ip && { ip }) };
      const credentials = mounts.credentials(asked);
      handler({ req, socket, head, requestId, credentials, caller: () => mounts.caller(asked) });
    } catch (error) {
      if (!BelfryError.is(error)) log.error({ requestId, error: messageOf(error) }, "an upgrade failed");
      if (!socket.writable) return void socket.destroy();
      socket.end(rawRefusal(BelfryError.is(error) ? error : faults.internal(requestId), requestId), () =>
        socket.destroy(),
      );
    }
  };
}
