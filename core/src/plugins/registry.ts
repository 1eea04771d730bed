import "reflect-metadata";
import type { DependencyContainer, InjectionToken } from "tsyringe";
import { BelfryError, messageOf } from "../errors/belfry-error.ts";
import { faults } from "../errors/catalogue.ts";
import type { ApiMethod } from "../interfaces/api-method.ts";
import type { Command } from "../interfaces/command.ts";
import type { PartDefinition, Plugin, PluginHost, Point } from "../interfaces/plugin.ts";
import { kindOf, pluginOf, shortKind } from "./define.ts";

export interface LoadedPlugin {
  plugin: Plugin;
  container: DependencyContainer;
  kinds: { point: Point; kind: string }[];
  shares: { token: InjectionToken<unknown>; make(): unknown }[];
  methods: ApiMethod[];
  commands: Command[];
}

/**
 * Where the plugins of a master find what others share. The containers last as long as the master;
 * what they give for a token is what the registry in force has for it.
 */
export class Shelf {
  readonly container: DependencyContainer;
  readonly #tokens = new Set<InjectionToken<unknown>>();
  /** The plugins of the running generation, or of the one that is being made. */
  inForce: Registry | undefined;
  /** What a plugin keeps in the database. */
  readonly storeOf: (plugin: Plugin) => PluginHost["store"];

  constructor(container: DependencyContainer, storeOf: (plugin: Plugin) => PluginHost["store"] = noStore) {
    this.container = container;
    this.storeOf = storeOf;
  }

  offer(token: InjectionToken<unknown>): void {
    if (this.#tokens.has(token)) return;
    this.#tokens.add(token);
    this.container.register(token, { useFactory: () => this.inForce?.shared(token) });
  }
}

/** For commands that need no master. */
function noStore(): never {
  throw new Error("there is no database here");
}

/** The plugins of one generation: each loaded once, its parts found by kind. */
export class Registry {
  readonly #shelf: Shelf;
  #before: { registry: Registry; sameCode: boolean } | undefined;
  readonly #plugins = new Map<string, LoadedPlugin>();
  /** As this configuration gave them, which may be other objects than those that stand for them. */
  readonly #given = new Map<string, Plugin>();
  readonly #kinds = new Map<string, { definition: PartDefinition; plugin: Plugin }>();
  readonly #shared = new Map<InjectionToken<unknown>, { owner: string; make(): unknown }>();
  readonly methods: { plugin: string; method: ApiMethod }[] = [];
  readonly commands: { plugin: string; command: Command }[] = [];

  /**
   * `before` is the registry of the running generation: a plugin that is in it is not registered again,
   * also if it is another object from local modules of the same text (`sameCode`).
   */
  constructor(shelf: Shelf, before?: { registry: Registry; sameCode: boolean }) {
    this.#shelf = shelf;
    this.#before = before;
  }

  get plugins(): LoadedPlugin[] {
    return [...this.#plugins.values()];
  }

  /** The one that stands for this plugin here. */
  loaded(plugin: Plugin): Plugin | undefined {
    return this.#plugins.get(plugin.name)?.plugin;
  }

  /** What a plugin shares under a token. */
  shared(token: InjectionToken<unknown>): unknown {
    const share = this.#shared.get(token);
    if (!share) throw new Error(`no plugin of the running configuration shares ${String(token)}`);
    return share.make();
  }

  /** Loads a plugin if it is not yet; refuses a second one of the same name. */
  load(plugin: Plugin): LoadedPlugin {
    const given = this.#given.get(plugin.name);
    if (given !== undefined && given !== plugin) {
      throw faults.pluginRefused(
        plugin.name,
        "It is there twice: two copies of the package, or two plugins of one name, are used by this configuration.",
      );
    }
    const loaded = this.#plugins.get(plugin.name);
    if (loaded) return loaded;
    const entry = this.#running(plugin) ?? this.#register(plugin);
    this.#given.set(plugin.name, plugin);
    this.#plugins.set(plugin.name, entry);
    return entry;
  }

  /** A plugin that the running generation has: what it registered stands. */
  #running(plugin: Plugin): LoadedPlugin | undefined {
    if (!this.#before) return undefined;
    const { registry, sameCode } = this.#before;
    const entry = registry.#plugins.get(plugin.name);
    if (!entry || (entry.plugin !== plugin && !sameCode)) return undefined;
    this.#take(entry);
    return entry;
  }

  #register(plugin: Plugin): LoadedPlugin {
    const container = this.#shelf.container.createChildContainer();
    const entry: LoadedPlugin = { plugin, container, kinds: [], shares: [], methods: [], commands: [] };
    for (const { definition } of plugin.parts ?? []) {
      if (pluginOf(definition) !== plugin)
        throw faults.pluginRefused(plugin.name, `Its part "${definition.kind}" belongs to another plugin.`);
      const kind = kindOf(definition);
      if (entry.kinds.some((other) => other.kind === kind))
        throw faults.pluginRefused(plugin.name, `It offers two parts of the kind "${kind}".`);
      entry.kinds.push({ point: definition.point, kind });
    }
    try {
      plugin.register?.({
        container,
        share: (token, make) => {
          this.#checkShare(plugin.name, token as InjectionToken<unknown>, entry);
          let made: { value: unknown } | undefined;
          entry.shares.push({
            token: token as InjectionToken<unknown>,
            make: () => {
              made ??= { value: make(container) };
              return made.value;
            },
          });
        },
        store: this.#lateStore(plugin),
        methods: {
          add: (method) => {
            this.#checkMethod(method, entry);
            entry.methods.push(method);
          },
        },
        commands: { add: (command) => void entry.commands.push(command) },
      });
    } catch (error) {
      if (BelfryError.is(error)) throw error;
      throw faults.pluginRefused(plugin.name, `Its register failed: ${messageOf(error)}`, error);
    }
    this.#take(entry);
    return entry;
  }

  #lateStore(plugin: Plugin): PluginHost["store"] {
    const store = () => this.#shelf.storeOf(plugin);
    return {
      get: async (key) => store().get(key),
      list: async (options) => store().list(options),
      apply: async (writes) => store().apply(writes),
    };
  }

  /** Puts what a plugin registered where it is looked for. */
  #take(entry: LoadedPlugin): void {
    const { name } = entry.plugin;
    for (const { token } of entry.shares) this.#checkShare(name, token);
    for (const method of entry.methods) this.#checkMethod(method);
    for (const { definition } of entry.plugin.parts ?? []) {
      this.#kinds.set(kindOf(definition), { definition: definition as PartDefinition, plugin: entry.plugin });
    }
    for (const { token, make } of entry.shares) {
      this.#shared.set(token, { owner: name, make });
      this.#shelf.offer(token);
    }
    for (const method of entry.methods) this.methods.push({ plugin: name, method });
    for (const command of entry.commands) this.commands.push({ plugin: name, command });
  }

  /** A part by its kind, in full or short. */
  find(kind: string): { definition: PartDefinition; plugin: Plugin } | undefined {
    const known = this.#kinds.get(kind);
    if (known) return known;
    for (const [full, part] of this.#kinds) if (shortKind(full) === kind) return part;
    return undefined;
  }

  /** Short kinds of one extension point, for messages. */
  kinds(point: Point): string[] {
    return [...this.#kinds].filter(([, { definition }]) => definition.point === point).map(([kind]) => shortKind(kind));
  }

  container(plugin: Plugin): DependencyContainer {
    return (this.#plugins.get(plugin.name) ?? this.load(plugin)).container;
  }

  /** All plugins are loaded: what was before is needed no more. */
  settle(): void {
    this.#before = undefined;
  }

  /** True if what some plugin shares there is another thing here, or gone. */
  sharesOtherThan(before: Registry): boolean {
    return before.plugins.some((entry) => entry.shares.length > 0 && this.#plugins.get(entry.plugin.name) !== entry);
  }

  #checkShare(name: string, token: InjectionToken<unknown>, own?: LoadedPlugin): void {
    const isOwn = own?.shares.some((share) => share.token === token);
    const owner = isOwn ? name : this.#shared.get(token)?.owner;
    if (owner !== undefined)
      throw faults.pluginRefused(name, `It shares ${String(token)}, which "${owner}" shares already.`);
  }

  #checkMethod({ name }: ApiMethod, own?: LoadedPlugin): void {
    const known = this.methods.map(({ method }) => method).concat(own?.methods ?? []);
    if (known.some((method) => method.name === name)) throw new Error(`the method "${name}" is there already`);
  }
}
