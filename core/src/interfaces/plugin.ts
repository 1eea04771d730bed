import type { DependencyContainer, InjectionToken } from "tsyringe";
import type { z } from "zod";
import type { ApiMethod } from "./api-method.ts";
import type { BuildStep, StepFlags } from "./build-step.ts";
import type { ChangeSource } from "./change-source.ts";
import type { Clock } from "./clock.ts";
import type { Command } from "./command.ts";
import type { Database } from "./database.ts";
import type { LogStore } from "./log-store.ts";
import type { PluginStore } from "./plugin-store.ts";
import type { Scheduler } from "./scheduler.ts";
import type { SecretProvider } from "./secret-provider.ts";
import type { Service } from "./service.ts";
import type { StatusListener } from "./status-listener.ts";
import type { Worker, WorkerFlags } from "./worker.ts";

/** What each extension point's `create` returns. */
export interface Parts {
  step: BuildStep;
  source: ChangeSource;
  scheduler: Scheduler;
  listener: StatusListener;
  worker: Worker;
  database: Database;
  logStore: LogStore;
  secrets: SecretProvider;
  service: Service;
}

export type Point = keyof Parts;

/** What `create` is given besides the options. */
export interface CreateContext {
  /** The name of this entry: a builder, a source, a worker … as the configuration calls it; "" where it has none. */
  readonly name: string;
  readonly clock: Clock;
  /** The plugin's own container, a child of the master's: resolve tokens of core and of other plugins here. Not at `create` for things that other plugins register in theirs: those are ready when `start` is called. */
  readonly container: DependencyContainer;
  /** What the plugin keeps in the database. Usable once the master starts. */
  readonly store: PluginStore;
  /** The folder of the configuration file; relative paths of the user start here. */
  readonly folder: string;
  /** The master's own folder (`.belfry`). */
  readonly stateFolder: string;
}

/** One kind of part that a plugin offers: its options, and how to make it from them. */
export interface PartDefinition<P extends Point = Point, S extends z.ZodType = z.ZodType> {
  readonly point: P;
  /** Within the plugin: `"poller"`. In full it is `package/kind`. */
  readonly kind: string;
  readonly options: S;
  /**
   * Called once per entry of a configuration that was checked; at a reload for entries that are new or different.
   * Must not wait, open or start anything: what it made may be thrown away, if the configuration is refused.
   */
  create(options: z.output<S>, ctx: CreateContext): Parts[P];
}

const ENTRY = Symbol.for("belfry.entry");

/** What a typed function such as `gitPoller({ … })` returns: data, to be put into a configuration. */
export interface Entry<P extends Point = Point> {
  readonly [ENTRY]: P;
  readonly kind: string;
  readonly options: Readonly<Record<string, unknown>>;
}

/** An entry written as plain data; its plugin has to be named in the configuration's `plugins`. */
export interface PlainEntry {
  kind: string;
  options?: Record<string, unknown>;
}

/** A part's own options and those that core handles. What has none of its own is typed as holding nothing at all. */
type OptionsOf<S extends z.ZodType, Extra> =
  z.input<S> extends Record<string, never>
    ? unknown extends Extra
      ? Record<string, never>
      : Extra
    : z.input<S> & Extra;

type Args<S extends z.ZodType, Extra> =
  Record<string, never> extends OptionsOf<S, Extra> ? [options?: OptionsOf<S, Extra>] : [options: OptionsOf<S, Extra>];

/** The typed function of a part, which carries the definition it was made from. */
export type PartFunction<P extends Point, S extends z.ZodType> = {
  (
    ...args: Args<
      S,
      P extends "step"
        ? StepFlags
        : P extends "worker"
          ? WorkerFlags
          : P extends "source" | "scheduler" | "listener"
            ? { name?: string }
            : unknown
    >
  ): Entry<P>;
  readonly definition: PartDefinition<P, S>;
};

export interface PluginHost {
  /** A tsyringe container, a child of the master's. Register by token and with factories. */
  readonly container: DependencyContainer;
  /**
   * Offers something to other plugins: under this token, in every plugin's container. Made when
   * first resolved, once per master. Two plugins may not share the same token.
   */
  share<T>(token: InjectionToken<T>, make: (container: DependencyContainer) => T): void;
  /** What the plugin keeps in the database, for its methods. Usable once the master starts. */
  readonly store: Pick<PluginStore, "get" | "list" | "apply">;
  readonly methods: { add(method: ApiMethod): void };
  readonly commands: { add(command: Command): void };
}

export interface PluginSpec {
  /** The name of its npm package. */
  name: string;
  /** The version of its package, for `plugins.list`. */
  version?: string;
  /** The version of what it keeps in the database, with how to read what an older version wrote. Default 1. */
  state?: { version: number; migrate?(value: unknown, from: number, key: string): unknown };
  /** What it offers to configurations. */
  parts?: readonly { readonly definition: PartDefinition<never, never> | PartDefinition }[];
  /**
   * Adds API methods, commands and things for other plugins. Called once per master, before any `create`; again after
   * a reload had taken it away, or for another object of its name. Must not wait, open or start anything.
   */
  register?(host: PluginHost): void;
}

export interface Plugin extends PluginSpec {
  readonly belfryPlugin: 1;
}
