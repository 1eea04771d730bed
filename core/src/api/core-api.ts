import { randomUUID } from "node:crypto";
import { BelfryError } from "../errors/belfry-error.ts";
import { faults } from "../errors/catalogue.ts";
import type { ApiMethod, Caller, CallerFacts } from "../interfaces/api-method.ts";
import type { Logger } from "../interfaces/logger.ts";
import type { Json } from "../interfaces/values.ts";
import type { Registry } from "../plugins/registry.ts";
import { addAudit } from "../store/audit.ts";
import { useToken } from "../store/tokens.ts";
import { AnswerCache } from "./answer-cache.ts";
import type { Api } from "./api.ts";
import { Budgets } from "./budgets.ts";
import {
  anonymousCaller,
  callerOf,
  fromWireCaller,
  ruled,
  ruledAnew,
  tokenCaller,
  type WireCaller,
} from "./callers.ts";
import type { ApiDeps } from "./deps.ts";
import type { MethodTable } from "./method.ts";
import { auditMethods } from "./methods/audit.ts";
import { buildControlMethods } from "./methods/build-control.ts";
import { buildListMethods } from "./methods/build-list.ts";
import { builderMethods } from "./methods/builders.ts";
import { buildMethods } from "./methods/builds.ts";
import { buildsetMethods } from "./methods/buildsets.ts";
import { changeMethods } from "./methods/changes.ts";
import { configMethods } from "./methods/config.ts";
import { eventMethods } from "./methods/events.ts";
import { listenerMethods } from "./methods/listeners.ts";
import { lockMethods } from "./methods/locks.ts";
import { logMethods } from "./methods/logs.ts";
import { masterMethods } from "./methods/master.ts";
import { partMethods } from "./methods/parts.ts";
import { requestMethods } from "./methods/requests.ts";
import { retentionMethods } from "./methods/retention.ts";
import { schedulerMethods } from "./methods/schedulers.ts";
import { workerMethods } from "./methods/workers.ts";
import { faultIn } from "./plain-params.ts";

/** Of what a caller gave, in a message about it. */
const LONGEST_TEXT = 200;
const never = new AbortController().signal;

function ownMethods(deps: ApiDeps, all: () => readonly ApiMethod[]) {
  return [
    ...builderMethods(deps),
    ...buildListMethods(deps),
    ...buildMethods(deps),
    ...buildControlMethods(deps),
    ...lockMethods(deps),
    ...logMethods(deps),
    ...requestMethods(deps),
    ...buildsetMethods(deps),
    ...changeMethods(deps),
    ...partMethods(deps),
    ...workerMethods(deps),
    ...schedulerMethods(deps),
    ...eventMethods(deps),
    ...listenerMethods(deps),
    ...auditMethods(deps),
    ...configMethods(deps),
    ...retentionMethods(deps),
    ...masterMethods(deps, all),
  ];
}

/** Core's methods with their parameters and results, for whoever calls them from TypeScript. */
export type CoreMethods = MethodTable<ReturnType<typeof ownMethods>[number]>;

/** What core's methods are called, and which scope each needs; for who has no master that runs. */
export function coreMethodNames(): Pick<ApiMethod, "name" | "permission">[] {
  return ownMethods({} as ApiDeps, () => []).map(({ name, permission }) => ({ name, permission }));
}

/** Core's methods and those of plugins, in one table. */
export class CoreApi implements Api {
  readonly #own: ReadonlyMap<string, ApiMethod>;
  #methods: ReadonlyMap<string, ApiMethod> = new Map();
  readonly #deps: ApiDeps;
  readonly #logger: Logger;
  readonly #budgets: Budgets;
  readonly #answers: AnswerCache;

  constructor(deps: ApiDeps, logger: Logger) {
    this.#deps = deps;
    this.#budgets = new Budgets(deps.clock);
    this.#answers = new AnswerCache(deps.store, deps.generation);
    this.#logger = logger;
    this.#own = new Map(ownMethods(deps, () => this.methods()).map((method) => [method.name, method]));
    this.checkPlugins(deps.registry());
    this.usePlugins(deps.registry());
  }

  /** Refuses plugins whose methods would stand in the way of core's. */
  checkPlugins(registry: Pick<Registry, "methods">): void {
    for (const { plugin, method } of registry.methods) {
      if (this.#own.has(method.name))
        throw faults.pluginRefused(plugin, `It adds the method "${method.name}", which core has already.`);
    }
  }

  /** Offers the methods of these plugins besides core's, and of no others. */
  usePlugins(registry: Pick<Registry, "methods">): void {
    this.#methods = new Map([...this.#own, ...registry.methods.map(({ method }) => [method.name, method] as const)]);
  }

  methods(): readonly ApiMethod[] {
    return [...this.#methods.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** True also for what is no method. */
  onlyReads(name: string): boolean {
    return (this.#methods.get(name)?.permission ?? "read") === "read";
  }

  async call(name: string, params: unknown, caller: Caller, signal: AbortSignal = never): Promise<Json> {
    const method = this.#methods.get(name);
    if (!method) throw faults.methodUnknown(name);
    const { elsewhere } = this.#deps;
    if (elsewhere?.takes(method)) {
      try {
        return await elsewhere.call(name, params, caller);
      } catch (error) {
        const away = BelfryError.is(error) && error.code === "BELFRY_ENGINE_AWAY";
        if (!away || method.permission !== "read" || method.place !== "engine") throw error;
      }
    }
    if (method.permission === "read" && !method.audited) return this.#call(method, params, caller, signal);
    try {
      const result = await this.#call(method, params, caller, signal);
      await this.#audit(method, params, caller, "ok");
      return result;
    } catch (error) {
      // Whoever has no name could fill the audit with what it may not do anyway.
      if (caller.kind !== "anonymous") {
        await this.#audit(method, params, caller, BelfryError.is(error) ? error.code : "aborted");
      }
      throw error;
    }
  }

  async #call(method: ApiMethod, params: unknown, caller: Caller, signal: AbortSignal): Promise<Json> {
    const { name } = method;
    if (!caller.scopes.has(method.permission)) throw faults.forbidden(name, method.permission, caller.name);
    const seconds = this.#budgets.spend(caller, method.cost ?? 0, this.#deps.generation().budget);
    if (seconds > 0) throw faults.budgetSpent(name, seconds);
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
      const now = ruledAnew(caller, this.#rule, (error) => this.#ruleFailed(caller, error));
      const call = async () => (await method.call(checked.data, { caller: now, signal })) as Json;
      return await this.#answers.of(method, checked.data, now, call);
    } catch (error) {
      if (signal.aborted) throw error;
      throw this.#told(error, { method: name, caller: caller.name });
    }
  }

  async authenticate(token: string): Promise<Caller | undefined> {
    try {
      const { store, clock, elsewhere } = this.#deps;
      const facts = await useToken(store, token, clock.now(), elsewhere?.writes !== false);
      return facts && this.#ruled(tokenCaller(facts));
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
    return this.#ruled(anonymousCaller(this.#deps.generation().anonymous === "read"));
  }

  callerOf(facts: CallerFacts): Caller {
    return this.#ruled(callerOf(facts));
  }

  /** The caller that another process of this master speaks for. */
  callerFor(wire: WireCaller): Caller {
    const caller = fromWireCaller(wire);
    return caller.kind === "internal" || caller.kind === "socket" ? caller : this.#ruled(caller);
  }

  readonly #rule = () => this.#deps.generation().visible;

  #ruled(caller: Caller): Caller {
    return ruled(caller, this.#rule, (error) => this.#ruleFailed(caller, error));
  }

  #ruleFailed({ name }: Caller, error: unknown): void {
    this.#logger.warn({ err: error, caller: name }, "access.visible failed; what it was asked about is hidden");
  }

  /** A call that was carried out stays so when it cannot be noted; the master's log has it then. */
  async #audit(method: ApiMethod, params: unknown, caller: Caller, outcome: string): Promise<void> {
    try {
      await addAudit(this.#deps.store, caller, method.name, params, outcome);
    } catch (error) {
      const { name, kind, origin } = caller;
      this.#logger.error({ err: error, method: method.name, caller: { name, kind, origin }, outcome }, "not audited");
    }
  }
}
