import type { Properties, Property } from "../interfaces/properties.ts";
import type { Json } from "../interfaces/values.ts";

/** The properties of one running build; what is set is told to whoever keeps it. */
export class BuildProperties implements Properties {
  readonly #values = new Map<string, Property>();
  readonly #keep: (name: string, value: Json, source: string) => void;

  constructor(keep: (name: string, value: Json, source: string) => void) {
    this.#keep = keep;
  }

  /** Sets without keeping: for what follows from the build anyway. */
  derive(values: Record<string, Json>, source: string): void {
    for (const [name, value] of Object.entries(values)) this.#values.set(name, { value, source });
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  get(name: string): Json | undefined {
    return this.#values.get(name)?.value;
  }

  source(name: string): string | undefined {
    return this.#values.get(name)?.source;
  }

  set(name: string, value: Json, source: string): void {
    // What JSON cannot carry is refused here, where the stack names the step, not at the next commit.
    const text = JSON.stringify(value);
    if (text === undefined) throw new TypeError(`the value of property "${name}" is not JSON`);
    if (name.length === 0 || name.length > 255) throw new TypeError("a property's name has 1 to 255 characters");
    this.#values.set(name, { value: JSON.parse(text), source });
    this.#keep(name, value, source);
  }

  all(): Record<string, Property> {
    return Object.fromEntries(this.#values);
  }
}
