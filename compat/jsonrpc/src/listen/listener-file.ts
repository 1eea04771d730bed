import { dirname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import {
  type Api,
  administrator,
  BelfryError,
  defineDatabase,
  definePlugin,
  definitionOf,
  type Logger,
  Master,
  messageOf,
  type StatusListener,
  TOKENS,
  z,
} from "belfry";
import type { Client } from "../client/index.ts";
import { listenFaults } from "./errors.ts";

/** A listener as a file gives it, and what it is called there. */
export interface FoundListener {
  listener: StatusListener;
  name: string | undefined;
}

export interface ListenerSurroundings {
  client: Client;
  logger: Logger;
}

/**
 * Imports a file that exports a listener by default: the object itself, or an entry as it stands
 * in the `listeners` of a configuration.
 */
export async function loadListener(path: string, surroundings: ListenerSurroundings): Promise<FoundListener> {
  const file = resolve(path);
  let value: unknown;
  try {
    ({ default: value } = await import(pathToFileURL(file).href));
  } catch (error) {
    if (BelfryError.is(error)) throw error;
    throw listenFaults.fileUnreadable(file, messageOf(error), error);
  }
  if (typeof value !== "object" || value === null) throw listenFaults.fileWithoutListener(file);
  if (typeof (value as StatusListener).handle === "function")
    return { listener: value as StatusListener, name: undefined };
  if (definitionOf(value)?.point === "listener") return made(value, dirname(file), surroundings);
  throw listenFaults.fileWithoutListener(file);
}

const nowhere = defineDatabase({
  kind: "nowhere",
  options: z.strictObject({}),
  create: () => ({ open: () => Promise.reject(new Error("a listener in a process of its own has no database")) }),
});
definePlugin({ name: "@belfry/jsonrpc/listen", parts: [nowhere] });

/** Has a listener made as a master would, by one that is never started; its API is that of the real one. */
function made(entry: object, folder: string, { client, logger }: ListenerSurroundings): FoundListener {
  const master = new Master({ database: nowhere(), listeners: [entry] }, { folder, logger });
  master.container.register(TOKENS.api, { useValue: apiOver(client) });
  const [made] = master.generation.listeners;
  if (made === undefined) throw new Error("a configuration with one listener has none");
  return { listener: made.part, name: made.name };
}

/** The API of the master at the other end, for listeners that look something up. Who calls is decided there. */
function apiOver(client: Client): Api {
  return {
    methods: () => [],
    call: async (name, params, _caller, signal) => client.call(name, params as never, { signal }),
    authenticate: async () => undefined,
    anonymous: () => administrator,
    callerOf: () => administrator,
  };
}
