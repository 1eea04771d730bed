import { randomBytes } from "node:crypto";
import { type Api, type ApiMethod, BelfryError, internal, type PluginHost, z } from "belfry";
import { faults } from "./errors.ts";

const METHOD = "web.formKey";
const RECORD = "form-key";

/** What keys of forms are made with: kept in the database, so that forms outlive a restart and are good at every process. */
export function formKeyMethod(store: PluginHost["store"]): ApiMethod {
  return {
    name: METHOD,
    permission: "read",
    place: "writer",
    summary: "What keys of forms are made with; for the master itself.",
    params: z.strictObject({}),
    result: z.object({ key: z.string() }),
    example: {},
    async call(_params, { caller }) {
      if (caller.kind !== "internal") throw faults.internalOnly(METHOD);
      const known = await store.get(RECORD);
      if (known !== undefined) return { key: known.value as string };
      const key = randomBytes(32).toString("base64url");
      await store.apply({ put: [{ key: RECORD, value: key }] });
      return { key };
    },
  };
}

/** The shared key; one for this process alone where nobody can be asked now. */
export async function formKeyFrom(api: Api): Promise<Buffer> {
  try {
    return Buffer.from(((await api.call(METHOD, {}, internal)) as { key: string }).key, "base64url");
  } catch (error) {
    if (!BelfryError.is(error)) throw error;
    return randomBytes(32);
  }
}
