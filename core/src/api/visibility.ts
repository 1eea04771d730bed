import type { Caller } from "../interfaces/api-method.ts";
import type { Store } from "../store/store.ts";

/** Which builders a caller may see, for queries and for single answers. */
export class View {
  readonly #caller: Caller;
  readonly #store: Store;
  #names: Promise<ReadonlySet<string>> | undefined;
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
    this.#names ??= this.#store.read
      .selectFrom("builders")
      .select(["name", "project", "tags"])
      .execute()
      .then(
        (rows) =>
          new Set(
            rows
              .filter((row) => visible({ builder: row.name, project: row.project, tags: JSON.parse(row.tags) }))
              .map((row) => row.name),
          ),
      );
    return this.#names;
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
