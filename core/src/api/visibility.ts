import { faults } from "../errors/catalogue.ts";
import type { Caller } from "../interfaces/api-method.ts";
import type { Store } from "../store/store.ts";

/** Which builders a caller may see, for queries and for single answers. */
export class View {
  readonly #caller: Caller;
  readonly #store: Store;
  #names: Promise<ReadonlySet<string>> | undefined;
  #controlled: Promise<ReadonlySet<string> | null> | undefined;
  readonly #projects = new Map<string, boolean>();

  constructor(caller: Caller, store: Store) {
    this.#caller = caller;
    this.#store = store;
  }

  /** True when nothing is hidden. */
  get all(): boolean {
    return this.#caller.visible === null;
  }

  /** The builders this caller may see; `null` for all. */
  async builders(): Promise<ReadonlySet<string> | null> {
    const { visible } = this.#caller;
    if (visible === null) return null;
    this.#names ??= this.#those(visible);
    return this.#names;
  }

  /** The builders this caller may control if it has the scope, all of them seen; `null` for all. */
  async controlled(): Promise<ReadonlySet<string> | null> {
    const { controls } = this.#caller;
    if (!controls) return this.builders();
    this.#controlled ??= Promise.all([this.#those(controls), this.builders()]).then(
      ([names, seen]) => new Set([...names].filter((name) => seen === null || seen.has(name))),
    );
    return this.#controlled;
  }

  async #those(fits: NonNullable<Caller["visible"]>): Promise<ReadonlySet<string>> {
    const rows = await this.#store.read.selectFrom("builders").select(["name", "project", "tags"]).execute();
    return new Set(
      rows
        .filter((row) => fits({ builder: row.name, project: row.project, tags: JSON.parse(row.tags) }))
        .map((row) => row.name),
    );
  }

  /** Throws `BELFRY_FORBIDDEN` if the caller may not control one of these builders, which it sees. */
  async requireControl(method: string, ...builders: readonly string[]): Promise<void> {
    const names = await this.controlled();
    const other = names === null ? undefined : builders.find((builder) => !names.has(builder));
    if (other !== undefined) throw faults.forbidden(method, "control", this.#caller.name, `the builder "${other}"`);
  }

  /** The same for what has a project and no builder. */
  requireProjectControl(method: string, project: string): void {
    if (this.#caller.controls?.({ builder: "", tags: [], project }) === false)
      throw faults.forbidden(method, "control", this.#caller.name, `the project "${project}"`);
  }

  async sees(builder: string): Promise<boolean> {
    const names = await this.builders();
    return names === null || names.has(builder);
  }

  /** For what has a project and no builder: changes, and events about them. */
  seesProject(project: string | null): boolean {
    const { visible } = this.#caller;
    if (visible === null) return true;
    const name = project ?? "";
    const known = this.#projects.get(name);
    if (known !== undefined) return known;
    const sees = visible({ builder: "", tags: [], project: name });
    this.#projects.set(name, sees);
    return sees;
  }
}
