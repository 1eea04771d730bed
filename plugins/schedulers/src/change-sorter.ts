import { type Change, z } from "belfry";
import { changeFilter, compileFilter, type FilterTest } from "./change-filter.ts";
import { faults } from "./errors.ts";
import type { FileMatching } from "./file-matching.ts";
import { compilePatterns, patterns } from "./patterns.ts";

export const functionOf = <F>(wanted: string) =>
  z.custom<F>((value) => typeof value === "function", `expected ${wanted}`);

const importance = functionOf<(change: Change) => boolean | Promise<boolean>>("a function of a change").optional();

/** The options of everything that is driven by changes: which are looked at, and which of those are important. */
export const changeOptions = {
  filter: changeFilter.default({}).describe("changes that do not fit are not looked at"),
  paths: patterns.optional().describe("a change is important if one of its files fits these patterns"),
  isImportant: importance.describe("says whether a change is important; asked about those that fit `paths`"),
  fileIsImportant: importance.describe("the same, by its name in Buildbot; where both are given, both have to say yes"),
  onlyImportant: z.boolean().default(false).describe("leaves unimportant changes out of buildsets"),
};

const settingsSchema = z.object(changeOptions);
type Settings = z.output<typeof settingsSchema>;

/** Says of each change whether it is looked at, and whether it is important. */
export class ChangeSorter {
  readonly #name: string;
  readonly #settings: Settings;
  readonly #filter: FilterTest;
  readonly #isOurs: (change: Change) => boolean;
  readonly #fitsPaths: ((file: string) => boolean) | undefined;

  /** `isOurs` is asked before the filter. */
  constructor(name: string, settings: Settings, isOurs: (change: Change) => boolean) {
    this.#name = name;
    this.#settings = settings;
    this.#filter = compileFilter(settings.filter);
    this.#isOurs = isOurs;
    this.#fitsPaths = settings.paths === undefined ? undefined : compilePatterns(settings.paths);
  }

  /** `undefined` for a change that is not looked at. */
  async sort(change: Change, matching: FileMatching): Promise<"important" | "unimportant" | undefined> {
    const { isImportant, fileIsImportant, onlyImportant } = this.#settings;
    const other = onlyImportant ? undefined : "unimportant";
    if (!this.#isOurs(change)) return undefined;
    if (!(await this.#ask("filter", change, () => this.#filter(change, matching)))) return undefined;
    if (this.#fitsPaths !== undefined && !(await matching.touches(change.files, this.#fitsPaths))) return other;
    for (const [option, says] of Object.entries({ isImportant, fileIsImportant })) {
      if (says !== undefined && !(await this.#ask(option, change, () => says(change)))) return other;
    }
    return "important";
  }

  async #ask(option: string, change: Change, question: () => boolean | Promise<boolean>): Promise<boolean> {
    try {
      return Boolean(await question());
    } catch (error) {
      throw faults.functionFailed(this.#name, option, change.id, error);
    }
  }
}
