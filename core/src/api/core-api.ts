import { randomUUID } from "node:crypto";
import { BelfryError } from "../errors/belfry-error.ts";
import { faults } from "../errors/catalogue.ts";
import type { ApiMethod, Caller } from "../interfaces/api-method.ts";
import type { Logger } from "../interfaces/logger.ts";
import type { Json } from "../interfaces/values.ts";
import { useToken } from "../store/tokens.ts";
import type { Api } from "./api.ts";
import { anonymousCaller, tokenCaller } from "./callers.ts";
import type { ApiDeps } from "./deps.ts";
import { builderMethods } from "./methods/builders.ts";
import { buildMethods } from "./methods/builds.ts";
import { changeMethods } from "./methods/changes.ts";
import { eventMethods } from "./methods/events.ts";
import { logMethods } from "./methods/logs.ts";
import { masterMethods } from "./methods/master.ts";
import { partMethods } from "./methods/parts.ts";
import { requestMethods } from "./methods/requests.ts";
import { faultIn } from "./plain-params.ts";

/** Of what a caller gave, in a message about it. */
const LONGEST_TEXT = 200;
const never = new AbortController().signal;

/** Core's methods and those of plugins, in one table. */
export class CoreApi implements Api {
  readonly #methods = new Map<string, ApiMethod>();
  readonly #deps: ApiDeps;
  readonly #logger: Logger;

  constructor(deps: ApiDeps, logger: Logger) {
    this.#deps = deps;
    this.#logger = logger;
    const own = [
      ...builderMethods(deps),
      ...buildMethods(deps),
      ...logMethods(deps),
      ...requestMethods(deps),
      ...changeMethods(deps),
      ...partMethods(deps),
      ...eventMethods(deps),
      ...masterMethods(deps, () => this.methods()),
    ];
    for (const method of own) this.#methods.set(method.name, method);
    for (const { plugin, method } of deps.registry.methods) {
      if (this.#methods.has(method.name))
        throw faults.pluginRefused(plugin, `It adds the method "${method.name}", which core has already.`);
      this.#methods.set(method.name, method);
    }
  }

  methods(): readonly ApiMethod[] {
    return [...this.#methods.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async call(name: string, params: unknown, caller: Caller, signal: AbortSignal = never): Promise<Json> {
    const method = this.#methods.get(name);
    if (!method) throw faults.methodUnknown(name);
    if (!caller.scopes.has(method.permission)) throw faults.forbidden(name, method.permission, caller.name);
    const fault = faultIn(params);
    if (fault) throw faults.paramsInvalid(name, [fault]);
    const checked = method.params.safeParse(params ?? {});
    if (!checked.success) {
      throw faults.paramsInvalid(
        name,
        checked.error.issues.slice(0, 50).map((issue) => ({
          path: issue.path.join(".").slice(0, LONGEST_TEXT),
          message: issue.message.slice(0, LONGEST_TEXT),
        })),
      );
    }
    try {
      return (await method.call(checked.data, { caller, signal })) as Json;
    } catch (error) {
      if (signal.aborted) throw error;
      throw this.#told(error, { method: name, caller: caller.name });
    }
  }

  async authenticate(token: string): Promise<Caller | undefined> {
    try {
      const facts = await useToken(this.#deps.store, token, this.#deps.clock.now());
      return facts && tokenCaller(facts);
    } catch (error) {
      throw this.#told(error, { method: "authenticate" });
    }
  }

  /** A failure as the caller may see it. */
  #told(error: unknown, about: object): BelfryError {
    if (this.#deps.store.dialect.isConnectionLost(error)) {
      this.#logger.warn({ err: error, ...about }, "the database does not answer");
      return faults.databaseAway(error);
    }
    if (BelfryError.is(error)) return error;
    const number = randomUUID();
    this.#logger.error({ err: error, number, ...about }, "a method failed");
    return faults.internal(number, error);
  }

  anonymous(): Caller {
    return anonymousCaller(this.#deps.generation().anonymous === "read");
  }
}
