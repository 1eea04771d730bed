import type { Difference, Reloaded } from "../config/difference.ts";
import type { Generation } from "../config/generation.ts";
import type { Engine } from "../engine/engine.ts";
import type { Clock } from "../interfaces/clock.ts";
import type { LogStore } from "../interfaces/log-store.ts";
import type { Registry } from "../plugins/registry.ts";
import type { EventFeed } from "../status/event-feed.ts";
import type { Load } from "../status/load.ts";
import type { Store } from "../store/store.ts";
import type { EnginePass } from "./engine-pass.ts";

/** What the methods of core work on. */
export interface ApiDeps {
  store: Store;
  clock: Clock;
  feed: EventFeed;
  logStore: LogStore;
  registry(): Registry;
  generation(): Generation;
  /** The engine, if this process has one. */
  engine(): Engine | undefined;
  /** How to ask the process that has the engine, if that is another one. */
  elsewhere: EnginePass | undefined;
  /** See `Master.reload` and `Master.plan`. */
  reload(): Promise<Reloaded>;
  plan(): Promise<Difference[]>;
  load(): Load;
  /** Why this master cannot do its work now; empty when it can. */
  troubles(): Promise<string[]>;
  version: string;
  startedAt: number;
  /** Ends the master: at once, or when the builds that run have ended. */
  stop(when: "now" | "after-builds", restart: boolean): void;
}
