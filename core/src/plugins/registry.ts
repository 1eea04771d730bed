import "reflect-metadata";
import type { DependencyContainer, InjectionToken } from "tsyringe";
import { messageOf } from "../errors/belfry-error.ts";
import { faults } from "../errors/catalogue.ts";
import type { ApiMethod } from "../interfaces/api-method.ts";
import type { Command } from "../interfaces/command.ts";
import type { PartDefinition, Plugin, Point } from "../interfaces/plugin.ts";
import { kindOf, pluginOf, shortKind } from "./define.ts";

export interface LoadedPlugin {
  plugin: Plugin;
  container: DependencyContainer;
  kinds: { point: Point; kind: string }[];
}

/** The plugins of one master: each loaded once, its parts found by kind. */
export class Registry {
  readonly #container: DependencyContainer;
  readonly #plugins = new Map<string, LoadedPlugin>();
  readonly #kinds = new Map<string, { definition: PartDefinition; plugin: Plugin }>();
  readonly #shared = new Map<InjectionToken<unknown>, string>();
  readonly methods: { plugin: string; method: ApiMethod }[] = [];
  readonly commands: { plugin: string; command: Command }[] = [];

  constructor(container: DependencyContainer) {
    this.#container = container;
  }

  get plugins(): LoadedPlugin[] {
    return [...this.#plugins.values()];
  }

  /** Loads a plugin if it is not yet; refuses a second one of the same name. */
  load(plugin: Plugin): LoadedPlugin {
    const loaded = this.#plugins.get(plugin.name);
    if (loaded) {
      if (loaded.plugin === plugin) return loaded;
      throw faults.pluginRefused(
        plugin.name,
        "It is there twice: two copies of the package, or two plugins of one name, are used by this configuration.",
      );
    }
    const container = this.#container.createChildContainer();
    const entry: LoadedPlugin = { plugin, container, kinds: [] };
    for (const { definition } of plugin.parts ?? []) {
      if (pluginOf(definition) !== plugin)
        throw faults.pluginRefused(plugin.name, `Its part "${definition.kind}" belongs to another plugin.`);
      const kind = kindOf(definition);
      if (this.#kinds.has(kind)) throw faults.pluginRefused(plugin.name, `It offers two parts of the kind "${kind}".`);
      this.#kinds.set(kind, { definition: definition as PartDefinition, plugin });
      entry.kinds.push({ point: definition.point, kind });
    }
    this.#plugins.set(plugin.name, entry);
    try {
      plugin.register?.({
        container,
        share: (token, make) => this.#share(plugin, container, token as InjectionToken<unknown>, make),
        methods: { add: (method) => this.#addMethod(plugin, method) },
        commands: { add: (command) => this.#addCommand(plugin, command) },
      });
    } catch (error) {
      this.#plugins.delete(plugin.name);
      for (const { kind } of entry.kinds) this.#kinds.delete(kind);
      throw faults.pluginRefused(plugin.name, `Its register failed: ${messageOf(error)}`, error);
    }
    return entry;
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
    return this.load(plugin).container;
  }

  #share(
    plugin: Plugin,
    container: DependencyContainer,
    token: InjectionToken<unknown>,
    make: (container: DependencyContainer) => unknown,
  ) {
    const owner = this.#shared.get(token);
    if (owner !== undefined)
      throw faults.pluginRefused(plugin.name, `It shares ${String(token)}, which "${owner}" shares already.`);
    this.#shared.set(token, plugin.name);
    let made: { value: unknown } | undefined;
    this.#container.register(token, {
      useFactory: () => {
        made ??= { value: make(container) };
        return made.value;
      },
    });
  }

  #addMethod(plugin: Plugin, method: ApiMethod): void {
    if (this.methods.some((known) => known.method.name === method.name)) {
      throw new Error(`the method "${method.name}" is there already`);
    }
    this.methods.push({ plugin: plugin.name, method });
  }

  #addCommand(plugin: Plugin, command: Command): void {
    this.commands.push({ plugin: plugin.name, command });
  }
}
