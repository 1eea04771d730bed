import { z } from "zod";
import { messageOf } from "../../errors/belfry-error.ts";
import { faults } from "../../errors/catalogue.ts";
import type { Caller } from "../../interfaces/api-method.ts";
import type { ForceRequest, Scheduler, SchedulerWait } from "../../interfaces/scheduler.ts";
import type { Json } from "../../interfaces/values.ts";
import { shortKind } from "../../plugins/define.ts";
import { addBuildset } from "../../store/buildsets.ts";
import { PluginRecords } from "../../store/plugin-records.ts";
import { readDisabled, requireEnabled, switchScheduler } from "../../store/schedulers.ts";
import type { ApiDeps } from "../deps.ts";
import { failureShape, readFailure } from "../failure.ts";
import { MOST_ID } from "../ids.ts";
import { defineMethod } from "../method.ts";
import { View } from "../visibility.ts";

const disabledShape = z.object({ at: z.number(), by: z.string(), reason: z.string() });

/** What is told of a failure to who sees only some of the builders that it is about. */
const HIDDEN_MESSAGE = "It failed; why is told to who may see all of its builders.";
const HIDDEN_REASON = "(told to who may see all of its builders)";

/** A `FormField` as a scheduler gives it; a group has `fields` of the same shape. */
const formField = z.looseObject({
  name: z.string().nullable(),
  type: z.string(),
  label: z.string(),
  help: z.string().nullable(),
  required: z.boolean(),
  default: z.json(),
});

type FormAnswer = (z.output<typeof formField> & { [key: string]: Json })[] | null;

/** Schedulers: what they are, why they build nothing, and what somebody wants of them. */
export function schedulerMethods(deps: ApiDeps) {
  const { store, clock } = deps;
  const workerNames = () => deps.generation().workers.map(({ name }) => name);

  /** A scheduler of the running configuration; what a caller does not see is not there. */
  async function find(name: string, caller: Caller, wants: "some" | "every") {
    const names = await new View(caller, store).builders();
    const found = deps.generation().schedulers.find((scheduler) => scheduler.name === name);
    const sees = (builder: string) => names === null || names.has(builder);
    if (!found?.part.builders[wants](sees)) throw faults.notFound("scheduler", `"${name}"`);
    return found;
  }

  /** A plugin that cannot tell its form does not hide the other schedulers. */
  function formOf(part: Scheduler): FormAnswer {
    if (!part.force) return null;
    try {
      return (part.form?.({ workers: workerNames() }) ?? null) as FormAnswer;
    } catch {
      return null;
    }
  }

  /** Disables or enables; only for callers who see all that it builds. */
  async function switchTo(disable: boolean, scheduler: string, reason: string, caller: Caller) {
    const { name, part } = await find(scheduler, caller, "every");
    const controlled = await new View(caller, store).controlled();
    if (controlled !== null && !part.builders.every((builder) => controlled.has(builder))) {
      const method = disable ? "schedulers.disable" : "schedulers.enable";
      throw faults.forbidden(method, "control", caller.name, `all that the scheduler "${name}" builds`);
    }
    const changed = await store.write((tx) => switchScheduler(tx, name, { disable, by: caller.name, reason }));
    return { scheduler: name, enabled: !disable, changed };
  }

  return [
    defineMethod({
      name: "schedulers.list",
      permission: "read",
      summary: "Schedulers, with their builders, their next wake-up and what went wrong.",
      params: z.strictObject({}),
      result: z.object({
        items: z.array(
          z.object({
            name: z.string(),
            kind: z.string(),
            builders: z.array(z.string()),
            canForce: z.boolean(),
            canTrigger: z.boolean().describe("a step may trigger it"),
            form: z
              .array(formField)
              .nullable()
              .describe(
                "what `force` takes as properties, for a form; null for any, or for none. A group has `fields` of the same shape; `choices` and `limits` as the type has them",
              ),
            disabled: disabledShape.nullable().describe("null for one that is enabled"),
            wakeAt: z.number().nullable(),
            passedAt: z.number().nullable(),
            error: failureShape,
            failures: z.int(),
          }),
        ),
      }),
      example: {},
      stability: "stable",
      async call(_params, { caller }) {
        const names = await new View(caller, store).builders();
        const rows = new Map(
          (await store.read.selectFrom("schedulers").selectAll().execute()).map((row) => [row.name, row]),
        );
        const items = deps
          .generation()
          .schedulers.map(({ name, kind, part }) => {
            const row = rows.get(name);
            const seesAll = names === null || part.builders.every((builder) => names.has(builder));
            const error = readFailure(row?.error ?? null);
            const disabled = readDisabled(row?.disabled ?? null);
            return {
              name,
              kind: shortKind(kind),
              builders: part.builders.filter((builder) => names === null || names.has(builder)),
              canForce: part.force !== undefined,
              canTrigger: part.trigger !== undefined,
              form: formOf(part),
              // Their texts may name what this caller does not see.
              disabled: disabled && !seesAll ? { ...disabled, reason: HIDDEN_REASON } : disabled,
              wakeAt: row?.wake_at ?? null,
              passedAt: row?.passed_at ?? null,
              error: error && !seesAll ? { ...error, message: HIDDEN_MESSAGE } : error,
              failures: row?.failures ?? 0,
            };
          })
          .filter((item) => names === null || item.builders.length > 0);
        return { items };
      },
    }),
    defineMethod({
      name: "schedulers.force",
      permission: "control",
      summary: "Asks a scheduler to build now.",
      params: z.strictObject({
        scheduler: z.string().optional().describe("default: the only one that can be forced"),
        builders: z.array(z.string()).min(1).optional(),
        reason: z.string().max(1_000).optional(),
        branch: z.string().max(500).nullish(),
        revision: z.string().max(500).nullish(),
        repository: z.string().max(2_000).optional(),
        codebases: z
          .record(
            z.string().max(255),
            z.strictObject({
              repository: z.string().max(2_000).optional(),
              branch: z.string().max(500).nullish(),
              revision: z.string().max(500).nullish(),
            }),
          )
          .optional()
          .describe("what to build of each codebase, where the scheduler has several"),
        properties: z.record(z.string().max(255), z.json()).optional(),
        priority: z.int().min(-MOST_ID).max(MOST_ID).optional(),
      }),
      result: z.object({ buildset: z.int(), requests: z.array(z.object({ id: z.int(), builder: z.string() })) }),
      example: { scheduler: "force", builders: ["runtests"], branch: "main", reason: "try it", priority: 1 },
      stability: "stable",
      async call({ scheduler, ...wish }, { caller }) {
        const view = new View(caller, store);
        const names = await view.builders();
        const controlled = await view.controlled();
        const sees = (builder: string) => names === null || names.has(builder);
        const all = deps.generation().schedulers.filter(({ part }) => names === null || part.builders.some(sees));
        const able = all.filter(({ part }) => part.force !== undefined);
        const named =
          scheduler === undefined
            ? able.length === 1
              ? able[0]
              : undefined
            : all.find(({ name }) => name === scheduler);
        if (!named)
          throw faults.notFound(
            "scheduler",
            scheduler === undefined
              ? `to choose: name one of ${able.map(({ name }) => `"${name}"`).join(", ") || "none that can be forced"}`
              : `"${scheduler}"`,
          );
        if (!named.part.force) throw faults.schedulerCannotForce(named.name);
        const { codebases, ...rest } = wish;
        const request: ForceRequest = {
          ...withoutUndefined(rest),
          ...(codebases === undefined
            ? {}
            : { codebases: Object.fromEntries(Object.entries(codebases).map(([k, v]) => [k, withoutUndefined(v)])) }),
          owner: caller.name,
        };
        if (names !== null) {
          // Here and not by the scheduler, whose refusal may name what this caller may not see.
          const hidden = request.builders?.find((builder) => !sees(builder) || !named.part.builders.includes(builder));
          if (hidden !== undefined) throw faults.notFound("builder", `"${hidden}"`);
        }
        if (controlled !== null && request.builders === undefined) {
          request.builders = named.part.builders.filter((builder) => controlled.has(builder));
          if (request.builders.length === 0)
            throw faults.forbidden("schedulers.force", "control", caller.name, `anything that "${named.name}" builds`);
        }
        await view.requireControl("schedulers.force", ...(request.builders ?? []));
        const spec = named.part.force(request, { workers: workerNames() });
        if (!spec.builders.every(sees)) throw faults.notFound("builder", "that this scheduler chose");
        await view.requireControl("schedulers.force", ...spec.builders);
        const added = await store.write(async (tx) => {
          await requireEnabled(tx.db, named.name);
          return addBuildset(tx, spec, { scheduler: named.name, owner: caller.name });
        });
        return { buildset: added.id, requests: added.requests };
      },
    }),
    defineMethod({
      name: "schedulers.why",
      permission: "read",
      summary: "Why a scheduler builds nothing now: every cause, from the scheduler itself.",
      params: z.strictObject({ scheduler: z.string() }),
      result: z.object({
        scheduler: z.string(),
        reasons: z.array(z.looseObject({ reason: z.string() })),
      }),
      example: { scheduler: "force" },
      stability: "experimental",
      async call({ scheduler }, { caller }) {
        const { name, part, plugin } = await find(scheduler, caller, "some");
        const row = await store.read.selectFrom("schedulers").selectAll().where("name", "=", name).executeTakeFirst();
        const reasons: (SchedulerWait | { reason: string; [key: string]: Json })[] = [];
        const disabled = readDisabled(row?.disabled ?? null);
        if (disabled) {
          const { at, by, reason: text } = disabled;
          reasons.push({ reason: "scheduler-disabled", at, by, text });
        }
        const error = readFailure(row?.error ?? null);
        if (error) reasons.push({ reason: "scheduler-failing", error: error.message, failures: row?.failures ?? 0 });
        // A state that cannot be read is told as the failure that it leads to at the next pass.
        if (row && !error) {
          try {
            reasons.push(...(part.waits?.(new PluginRecords(plugin).read(row), clock.now()) ?? []));
          } catch (thrown) {
            reasons.push({ reason: "scheduler-failing", error: messageOf(thrown), failures: row.failures });
          }
        }
        const told = reasons as { reason: string; [key: string]: Json }[];
        // Branches and other schedulers may belong to what this caller does not see.
        return { scheduler: name, reasons: caller.visible === null ? told : told.map(withoutDetails) };
      },
    }),
    defineMethod({
      name: "schedulers.disable",
      permission: "control",
      summary: "Keeps a scheduler from building anything, also across restarts, until it is enabled again.",
      params: z.strictObject({ scheduler: z.string(), reason: z.string().max(500).optional() }),
      result: z.object({ scheduler: z.string(), enabled: z.boolean(), changed: z.boolean() }),
      example: { scheduler: "force", reason: "the farm is being moved" },
      stability: "experimental",
      call: ({ scheduler, reason = "" }, { caller }) => switchTo(true, scheduler, reason, caller),
    }),
    defineMethod({
      name: "schedulers.enable",
      permission: "control",
      summary:
        "Lets a disabled scheduler build again. Changes and times that came meanwhile are not built; what it had noted before still is.",
      params: z.strictObject({ scheduler: z.string(), reason: z.string().max(500).optional() }),
      result: z.object({ scheduler: z.string(), enabled: z.boolean(), changed: z.boolean() }),
      example: { scheduler: "force" },
      stability: "experimental",
      call: ({ scheduler, reason = "" }, { caller }) => switchTo(false, scheduler, reason, caller),
    }),
  ];
}

function withoutDetails({ reason, until, at }: { reason: string; [key: string]: Json }) {
  return { reason, ...(until === undefined ? {} : { until }), ...(at === undefined ? {} : { at }) };
}

/** Parameters that were left out are not there at all, so that a scheduler's defaults count. */
function withoutUndefined<T extends object>(wish: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(wish).filter(([, value]) => value !== undefined)) as never;
}
