import { defineEntity, p } from "@mikro-orm/core";

/*
 * The tables. Property names are column names. Times are milliseconds since 1970; JSON is text, so
 * that both databases keep the same bytes. Rows that belong to a build have the build's id and a
 * number within it as their key: nothing has to wait for the database to give an id.
 */

const millis = () => p.bigint("number");
const id = () => p.integer().primary().autoincrement();
const json = () => p.text();

export const Counter = defineEntity({
  name: "Counter",
  tableName: "counters",
  properties: { name: p.string().length(100).primary(), value: p.bigint("number") },
});

export const Lease = defineEntity({
  name: "Lease",
  tableName: "leases",
  properties: {
    name: p.string().length(255).primary(),
    owner: p.string().length(100),
    fence: p.bigint("number"),
    until_at: millis(),
  },
});

export const Master = defineEntity({
  name: "Master",
  tableName: "masters",
  properties: {
    id: id(),
    name: p.string().length(200).unique(),
    host: p.text(),
    pid: p.integer(),
    started_at: millis(),
  },
});

export const EventRow = defineEntity({
  name: "EventRow",
  tableName: "events",
  properties: {
    // SQLite's key of a row is an "integer" of 64 bits; MikroORM would want it to be called bigint.
    seq: p.bigint("number").primary().ignoreSchemaChanges("type"),
    time: millis(),
    type: p.string().length(100),
    builder: p.text().nullable(),
    project: p.text().nullable(),
    data: json(),
  },
});

export const ChangeRow = defineEntity({
  name: "ChangeRow",
  tableName: "changes",
  properties: {
    id: id(),
    source: p.text(),
    key: p.text(),
    author: p.text(),
    comments: p.text(),
    files: json(),
    revision: p.text().nullable(),
    branch: p.text().nullable(),
    repository: p.text(),
    codebase: p.text(),
    project: p.text(),
    category: p.text().nullable(),
    link: p.text().nullable(),
    when_at: millis(),
    added_at: millis(),
    properties: json(),
  },
  uniques: [{ properties: ["source", "key"] }],
  indexes: [{ properties: ["revision"] }, { properties: ["branch", "id"] }, { properties: ["added_at", "id"] }],
});

export const SourceStamp = defineEntity({
  name: "SourceStamp",
  tableName: "source_stamps",
  properties: {
    id: id(),
    hash: p.string().length(64).unique(),
    repository: p.text(),
    branch: p.text().nullable(),
    revision: p.text().nullable(),
    codebase: p.text(),
    project: p.text(),
    patch: json().nullable(),
    created_at: millis(),
  },
});

export const Buildset = defineEntity({
  name: "Buildset",
  tableName: "buildsets",
  properties: {
    id: id(),
    scheduler: p.text().nullable(),
    reason: p.text(),
    owner: p.text().nullable(),
    external_id: p.string().length(255).nullable().unique(),
    properties: json(),
    submitted_at: millis(),
    complete_at: millis().nullable(),
    result: p.text().nullable(),
    open_requests: p.integer(),
    /** The build and step that began it. */
    parent_build: p.integer().nullable(),
    parent_step: p.integer().nullable(),
    /** 1: it is cancelled when that build ends early. */
    ends_with_parent: p.integer().nullable(),
  },
  indexes: [{ properties: ["parent_build"] }, { properties: ["scheduler", "id"] }],
});

export const BuildsetStamp = defineEntity({
  name: "BuildsetStamp",
  tableName: "buildset_stamps",
  properties: { buildset_id: p.integer().primary(), stamp_id: p.integer().primary() },
});

export const BuildsetChange = defineEntity({
  name: "BuildsetChange",
  tableName: "buildset_changes",
  properties: { buildset_id: p.integer().primary(), change_id: p.integer().primary() },
  indexes: [{ properties: ["change_id"] }],
});

export const BuilderRow = defineEntity({
  name: "BuilderRow",
  tableName: "builders",
  properties: {
    id: id(),
    name: p.string().length(255).unique(),
    project: p.text(),
    tags: json(),
    description: p.text(),
    configured: p.integer(),
    paused: p.integer(),
    paused_reason: p.text().nullable(),
    paused_by: p.text().nullable(),
    paused_at: millis().nullable(),
    /** What one of its functions did wrong, as long as it does. */
    trouble: json().nullable(),
    /** Milliseconds that its requests wait at most. */
    max_wait: millis().nullable(),
    next_number: p.integer(),
  },
});

export const BuildRequest = defineEntity({
  name: "BuildRequest",
  tableName: "build_requests",
  properties: {
    id: id(),
    buildset_id: p.integer(),
    builder_id: p.integer(),
    priority: p.integer(),
    /** The priority's negative, so that one index gives the global order. */
    urgency: p.integer(),
    state: p.string().length(20),
    submitted_at: millis(),
    not_before: millis(),
    claimed_at: millis().nullable(),
    complete_at: millis().nullable(),
    result: p.text().nullable(),
    retries: p.integer(),
    expires_at: millis().nullable(),
    /** The request that it is built with. */
    collapsed_into: p.integer().nullable(),
    /** What a function of its builder says against it. */
    held: json().nullable(),
    /** 1 once its builder's own priority counts. */
    weighed: p.integer().default(0),
  },
  indexes: [
    { name: "build_requests_place_index", properties: ["state", "urgency", "id", "builder_id", "not_before"] },
    { properties: ["state", "not_before"] },
    { properties: ["state", "expires_at"] },
    { properties: ["collapsed_into"] },
    { properties: ["buildset_id"] },
    { properties: ["builder_id", "id"] },
    { properties: ["builder_id", "state", "urgency", "id"] },
  ],
});

export const Build = defineEntity({
  name: "Build",
  tableName: "builds",
  properties: {
    id: id(),
    number: p.integer(),
    builder_id: p.integer(),
    request_id: p.integer(),
    buildset_id: p.integer(),
    worker: p.text(),
    slot: p.integer(),
    master_id: p.integer(),
    fence: p.bigint("number"),
    generation: p.integer().nullable(),
    state: p.string().length(20),
    branch: p.text().nullable(),
    revision: p.text().nullable(),
    assigned_at: millis(),
    started_at: millis().nullable(),
    finished_at: millis().nullable(),
    result: p.text().nullable(),
    summary: p.text(),
    stop_reason: p.text().nullable(),
    /** What it is built by, as a hash; null if it cannot go on after a restart. */
    plan: p.string().length(64).nullable(),
    /** Names of the secrets that it has asked for. */
    secrets: json().nullable(),
  },
  uniques: [{ properties: ["builder_id", "number"] }],
  indexes: [
    { properties: ["state", "id"] },
    { properties: ["builder_id", "result", "id"] },
    { properties: ["builder_id", "finished_at", "id"] },
    { properties: ["request_id"] },
    { properties: ["revision", "id"] },
    { properties: ["branch", "id"] },
    { properties: ["builder_id", "branch", "id"] },
    { properties: ["finished_at", "id"] },
    { properties: ["builder_id", "finished_at", "id"] },
    { properties: ["worker", "id"] },
  ],
});

export const Step = defineEntity({
  name: "Step",
  tableName: "steps",
  properties: {
    build_id: p.integer().primary(),
    step: p.integer().primary(),
    name: p.text(),
    kind: p.text(),
    started_at: millis(),
    finished_at: millis().nullable(),
    result: p.text().nullable(),
    summary: p.text(),
    error: json().nullable(),
    /** 1 once it asked for locks. */
    locks: p.integer().default(0),
    /** The number of the group that it belongs to. */
    parent: p.integer().nullable(),
    hidden: p.integer().default(0),
    attempts: json().nullable(),
    links: json().nullable(),
    statistics: json().nullable(),
    failing: json().nullable(),
    /** How many steps it has added. */
    added: p.integer().default(0),
  },
});

/** What builds and steps hold, and what they and requests wait for. The counter "locks" gives the places, and keeps who decides apart. */
export const LockRow = defineEntity({
  name: "LockRow",
  tableName: "locks",
  properties: {
    id: id(),
    lock: p.string().length(200),
    worker: p.string().length(255),
    mode: p.string().length(20),
    count: p.integer(),
    held: p.integer(),
    urgency: p.integer(),
    place: p.bigint("number"),
    request_id: p.integer(),
    build_id: p.integer(),
    step: p.integer(),
    asked_at: millis(),
    held_at: millis().nullable(),
  },
  indexes: [{ properties: ["build_id"] }, { properties: ["request_id"] }],
});

export const BuildData = defineEntity({
  name: "BuildData",
  tableName: "build_data",
  properties: {
    build_id: p.integer().primary(),
    name: p.string().length(255).primary(),
    step: p.integer(),
    /** `json`, or `bytes`, whose value is base64. */
    type: p.string().length(20),
    bytes: p.integer(),
    value: p.text(),
  },
});

/** Why builds failed: written as `wanted` with a build's end, and as `made` once by whoever looks into its logs. */
export const BuildFailure = defineEntity({
  name: "BuildFailure",
  tableName: "build_failures",
  properties: {
    build_id: p.integer().primary().autoincrement(false),
    state: p.string().length(20),
    made_at: millis().nullable(),
    summary: json().nullable(),
  },
  indexes: [{ properties: ["state", "build_id"] }],
});

export const StepCall = defineEntity({
  name: "StepCall",
  tableName: "step_calls",
  properties: {
    build_id: p.integer().primary(),
    step: p.integer().primary(),
    call: p.integer().primary(),
    method: p.string().length(30),
    args_hash: p.string().length(64),
    fence: p.bigint("number"),
    started_at: millis(),
    finished_at: millis().nullable(),
    outcome: json().nullable(),
    /** What it returned, for a step that is resumed. */
    kept: json().nullable(),
  },
});

export const Log = defineEntity({
  name: "Log",
  tableName: "logs",
  properties: {
    build_id: p.integer().primary(),
    step: p.integer().primary(),
    log: p.integer().primary(),
    name: p.text(),
    store_key: p.string().length(200),
    finished: p.integer(),
    lines: p.bigint("number"),
    bytes: p.bigint("number"),
    truncated: p.integer(),
    error: json().nullable(),
  },
});

export const BuildProperty = defineEntity({
  name: "BuildProperty",
  tableName: "properties",
  properties: {
    build_id: p.integer().primary(),
    name: p.string().length(255).primary(),
    value: json(),
    source: p.text(),
  },
});

export const WorkerRow = defineEntity({
  name: "WorkerRow",
  tableName: "workers",
  properties: {
    name: p.string().length(255).primary(),
    master_id: p.integer(),
    connected: p.integer(),
    slots: p.integer(),
    info: json(),
    seen_at: millis(),
  },
});

export const WorkerPause = defineEntity({
  name: "WorkerPause",
  tableName: "worker_pauses",
  properties: {
    worker: p.string().length(255).primary(),
    reason: p.text(),
    by: p.text(),
    at: millis(),
  },
});

export const ChangeSourceRow = defineEntity({
  name: "ChangeSourceRow",
  tableName: "change_sources",
  properties: {
    name: p.string().length(255).primary(),
    plugin: p.text(),
    version: p.integer(),
    state: json().nullable(),
    polled_at: millis().nullable(),
    poll_wanted_at: millis().nullable(),
    error: json().nullable(),
    failures: p.integer(),
  },
});

export const SchedulerRow = defineEntity({
  name: "SchedulerRow",
  tableName: "schedulers",
  properties: {
    name: p.string().length(255).primary(),
    plugin: p.text(),
    version: p.integer(),
    cursor: p.bigint("number"),
    state: json().nullable(),
    wake_at: millis().nullable(),
    passed_at: millis().nullable(),
    error: json().nullable(),
    failures: p.integer(),
    /** Who disabled it, when and why; null for one that is enabled. */
    disabled: json().nullable(),
    enabled_at: millis().nullable(),
    /** Stretches of the event log that came while it was disabled, not yet behind its cursor. */
    skips: json().nullable(),
  },
});

export const ListenerRow = defineEntity({
  name: "ListenerRow",
  tableName: "listeners",
  properties: {
    name: p.string().length(255).primary(),
    cursor: p.bigint("number"),
    attempts: p.integer(),
    error: json().nullable(),
    retry_at: millis().nullable(),
  },
});

export const ParkedEvent = defineEntity({
  name: "ParkedEvent",
  tableName: "parked_events",
  properties: {
    listener: p.string().length(255).primary(),
    seq: p.bigint("number").primary(),
    parked_at: millis(),
    attempts: p.integer(),
    error: json(),
  },
});

export const ConfigGeneration = defineEntity({
  name: "ConfigGeneration",
  tableName: "config_generations",
  properties: { id: id(), hash: p.string().length(64), shown: json(), loaded_at: millis(), master_id: p.integer() },
});

export const Token = defineEntity({
  name: "Token",
  tableName: "tokens",
  properties: {
    id: id(),
    name: p.string().length(100).unique(),
    hash: p.string().length(64).unique(),
    scopes: json(),
    narrowed: json().nullable(),
    created_at: millis(),
    expires_at: millis().nullable(),
    used_at: millis().nullable(),
    revoked_at: millis().nullable(),
  },
});

export const AuditRow = defineEntity({
  name: "AuditRow",
  tableName: "audit",
  properties: {
    id: id(),
    at: millis(),
    caller: p.text(),
    kind: p.string().length(20),
    origin: p.text().nullable(),
    method: p.string().length(200),
    params: p.text(),
    outcome: p.string().length(200),
  },
  indexes: [{ properties: ["caller", "id"] }, { properties: ["method", "id"] }],
});

export const ListenerCursor = defineEntity({
  name: "ListenerCursor",
  tableName: "listener_cursors",
  properties: {
    name: p.string().length(255).primary(),
    position: p.bigint("number"),
    caller: p.text(),
    moved_at: millis(),
  },
});

export const Sweep = defineEntity({
  name: "Sweep",
  tableName: "sweeps",
  properties: {
    name: p.string().length(100).primary(),
    begun_at: millis(),
    ended_at: millis().nullable(),
    next_at: millis(),
    removed: json(),
    error: p.text().nullable(),
  },
});

export const PluginRecordRow = defineEntity({
  name: "PluginRecordRow",
  tableName: "plugin_records",
  properties: {
    plugin: p.string().length(200).primary(),
    key: p.string().length(500).primary(),
    value: json(),
    version: p.integer(),
    expires_at: millis().nullable(),
  },
});

export const JobRow = defineEntity({
  name: "JobRow",
  tableName: "jobs",
  properties: {
    id: id(),
    plugin: p.string().length(200),
    queue: p.string().length(200),
    key: p.string().length(500).nullable(),
    payload: json(),
    version: p.integer(),
    run_at: millis(),
    attempts: p.integer(),
    parked: p.integer(),
    error: json().nullable(),
  },
  uniques: [{ properties: ["plugin", "queue", "key"] }],
  indexes: [{ properties: ["plugin", "queue", "parked", "run_at"] }],
});

export const ENTITIES = [
  Counter,
  Lease,
  Master,
  EventRow,
  ChangeRow,
  SourceStamp,
  Buildset,
  BuildsetStamp,
  BuildsetChange,
  BuilderRow,
  BuildRequest,
  Build,
  Step,
  LockRow,
  StepCall,
  Log,
  BuildProperty,
  BuildData,
  BuildFailure,
  WorkerRow,
  WorkerPause,
  ChangeSourceRow,
  SchedulerRow,
  ListenerRow,
  ParkedEvent,
  ConfigGeneration,
  Token,
  AuditRow,
  ListenerCursor,
  Sweep,
  PluginRecordRow,
  JobRow,
] as const;
