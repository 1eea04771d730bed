import { z } from "zod";
import { RESULTS } from "../interfaces/values.ts";

const id = z.int();
const name = z.string();
const result = z.enum(RESULTS);
const build = { build: id, builder: name, number: z.int() };

/**
 * The types of events and what their `data` holds. A field may be added to a type; none is taken
 * away or changes its meaning.
 */
export const EVENT_TYPES = {
  "master.started": z.strictObject({ master: name }),
  "config.loaded": z.strictObject({ generation: id, hash: z.string() }),
  /** A reload was refused; the generation that runs goes on. */
  "config.refused": z.strictObject({ faults: z.int() }),
  "change.added": z.strictObject({
    change: id,
    source: name,
    branch: z.string().nullable(),
    revision: z.string().nullable(),
  }),
  "buildset.added": z.strictObject({
    buildset: id,
    scheduler: name.nullable(),
    reason: z.string(),
    builders: z.array(name),
  }),
  "buildset.finished": z.strictObject({ buildset: id, scheduler: name.nullable(), result }),
  "request.added": z.strictObject({ request: id, buildset: id, builder: name }),
  "request.retried": z.strictObject({ request: id, buildset: id, builder: name }),
  "request.prioritized": z.strictObject({ request: id, buildset: id, builder: name, priority: z.int() }),
  /** It is built with another one, `into`; `request.finished` with the result `skipped` stands before. */
  "request.collapsed": z.strictObject({ request: id, buildset: id, builder: name, into: id }),
  "request.finished": z.strictObject({ request: id, buildset: id, builder: name, result }),
  "builder.paused": z.strictObject({ builder: name, reason: z.string(), by: z.string() }),
  "builder.resumed": z.strictObject({ builder: name, by: z.string() }),
  "build.assigned": z.strictObject({ ...build, request: id, worker: name }),
  "build.started": z.strictObject({ ...build, worker: name }),
  /** It goes on after a restart of its master. */
  "build.resumed": z.strictObject({ ...build, worker: name }),
  "build.finished": z.strictObject({ ...build, request: id, buildset: id, worker: name, result, summary: z.string() }),
  /** Why it failed is known now: `builds.failure`. */
  "build.explained": z.strictObject(build),
  "build.data": z.strictObject({ ...build, step: z.int(), name }),
  "step.started": z.strictObject({ ...build, step: z.int(), name, parent: z.int().nullable() }),
  /** An attempt ended, and the step is tried again. */
  "step.retried": z.strictObject({ ...build, step: z.int(), name, attempt: z.int(), result, summary: z.string() }),
  "step.linked": z.strictObject({ ...build, step: z.int(), name, url: z.string() }),
  "step.finished": z.strictObject({ ...build, step: z.int(), name, result, summary: z.string() }),
  /** It stands in line for locks; told once, and only if it has to wait. `step.resumed` follows when it has them. */
  "step.waiting": z.strictObject({ ...build, step: z.int(), name, locks: z.array(name) }),
  "step.resumed": z.strictObject({ ...build, step: z.int(), name, locks: z.array(name) }),
  "log.added": z.strictObject({ ...build, step: z.int(), log: z.int(), name }),
  /** Lines and bytes that can be read by now; at most about once a second for each log, and not for logs of a moment. */
  "log.grew": z.strictObject({ ...build, step: z.int(), log: z.int(), name, lines: z.int(), bytes: z.int() }),
  "log.finished": z.strictObject({
    ...build,
    step: z.int(),
    log: z.int(),
    name,
    lines: z.int(),
    bytes: z.int(),
    truncated: z.boolean(),
  }),
  "worker.connected": z.strictObject({ worker: name, slots: z.int() }),
  "worker.disconnected": z.strictObject({ worker: name, slots: z.int() }),
  "worker.paused": z.strictObject({ worker: name, reason: z.string(), by: z.string() }),
  "worker.resumed": z.strictObject({ worker: name, by: z.string() }),
  "source.failing": z.strictObject({ source: name, error: z.string() }),
  /** A poll takes long; told once for it, while it runs. */
  "source.slow": z.strictObject({ source: name, since: z.number(), doing: z.string().nullable() }),
  "source.recovered": z.strictObject({ source: name }),
  "scheduler.failing": z.strictObject({ scheduler: name, error: z.string() }),
  "scheduler.recovered": z.strictObject({ scheduler: name }),
  "scheduler.disabled": z.strictObject({ scheduler: name, by: z.string(), reason: z.string() }),
  "scheduler.enabled": z.strictObject({ scheduler: name, by: z.string(), reason: z.string() }),
  "listener.parked": z.strictObject({ listener: name, position: z.string(), attempts: z.int() }),
  "job.parked": z.strictObject({ plugin: name, queue: name, job: id, attempts: z.int() }),
  /** Old history was removed: so many of each. */
  "retention.done": z.strictObject({
    builds: z.int(),
    requests: z.int(),
    buildsets: z.int(),
    changes: z.int(),
    events: z.int(),
    audit: z.int(),
    bytes: z.int(),
  }),
  "token.added": z.strictObject({ token: name }),
  "token.revoked": z.strictObject({ token: name }),
} as const;

export type EventType = keyof typeof EVENT_TYPES;
