import { Encoded, encodeValue } from "../codec/encode.ts";
import { faults } from "../errors.ts";
import { type Fault, faultOf } from "../fault-codes.ts";
import type { CallContext, Family, Method } from "./family.ts";

/** A result as `<value>…</value>`, or a fault. */
export type Answer = { result: Encoded; fault?: undefined } | { fault: Fault };

/** All methods of a master, by name; the first family that has a name answers to it. */
export class Dispatcher {
  readonly #families: Family[] = [];

  add(family: Family): void {
    this.#families.push(family);
  }

  names(): string[] {
    return [...new Set(this.#families.flatMap((family) => family.names()))].sort();
  }

  get(name: string): Method | undefined {
    return this.#familyOf(name)?.get(name);
  }

  /** Never rejects. */
  async run(name: string, params: unknown[], context: CallContext): Promise<Answer> {
    const family = this.#familyOf(name);
    const method = family?.get(name);
    if (family === undefined || method === undefined) return { fault: unknownMethod(name) };
    try {
      const value = await method.call(params, context);
      return { result: new Encoded(await encodeValue(value, context.encoding, context.turns)) };
    } catch (error) {
      return { fault: family.fault(error, context) };
    }
  }

  #familyOf(name: string): Family | undefined {
    return this.#families.find((family) => family.get(name) !== undefined);
  }
}

/** Names without a dot are those of old Buildbots, and refused as these did. */
function unknownMethod(name: string): Fault {
  if (!name.includes(".")) return { code: 8001, text: `function ${name} not found` };
  return faultOf(faults.methodUnknown(name));
}
