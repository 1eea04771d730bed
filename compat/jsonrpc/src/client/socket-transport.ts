import { type Json, SocketClient } from "belfry";
import { clientFaults } from "./errors.ts";
import { abortable } from "./pause.ts";
import type { Transport } from "./transport.ts";

/** Over the master's own socket, connected anew when that was lost. */
export function socketTransport(path: string): Transport {
  let connection: Promise<SocketClient> | undefined;
  let closed = false;

  const connected = (): Promise<SocketClient> => {
    connection ??= SocketClient.connect(path);
    return connection;
  };

  return {
    where: path,
    async call(method, params, signal): Promise<Json> {
      if (closed) throw clientFaults.closed();
      const used = connected();
      try {
        return await abortable(
          used.then((client) => client.call(method, params)),
          signal,
        );
      } catch (error) {
        signal?.throwIfAborted();
        if (closed) throw clientFaults.closed();
        if ((error as { code?: string }).code === "BELFRY_MASTER_NOT_RUNNING" && connection === used)
          connection = undefined;
        throw error;
      }
    },
    async close() {
      closed = true;
      await connection?.then(
        (client) => client.close(),
        () => undefined,
      );
    },
  };
}
