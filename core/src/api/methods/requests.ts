import { z } from "zod";
import type { WaitReason } from "../../engine/waiting.ts";
import { MOST_AHEAD, whyItWaits } from "../../engine/why.ts";
import { faults } from "../../errors/catalogue.ts";
import type { Caller } from "../../interfaces/api-method.ts";
import type { Json, Result } from "../../interfaces/values.ts";
import { stampsOf } from "../../store/buildsets.ts";
import { setPriority } from "../../store/requests.ts";
import type { Row } from "../../store/tables.ts";
import { cancelRequest } from "../../store/triggered.ts";
import type { ApiDeps } from "../deps.ts";
import { idOrNone, MOST_ID } from "../ids.ts";
import { defineMethod } from "../method.ts";
import { DEFAULT_LIMIT, idPlace, pageParams, pageResult, readCursor, toPage } from "../paging.ts";
import { parentsOf } from "../parents.ts";
import { rebuildOf } from "../rebuild.ts";
import { REQUEST_DETAILS, requestDetails, requestDetailsShape } from "../request-details.ts";
import { buildsetShape, requestShape } from "../shapes.ts";
import { View } from "../visibility.ts";

const FIELDS = Object.keys(requestShape.shape);

type RequestRow = Row<"build_requests"> & { name: string; project: string };

function toRequest(row: RequestRow) {
  return {
    id: row.id,
    buildset: row.buildset_id,
    builder: row.name,
    priority: row.priority,
    state: row.state as "pending" | "claimed" | "complete",
    submittedAt: row.submitted_at,
    claimedAt: row.claimed_at,
    completeAt: row.complete_at,
    result: row.result as Result | null,
    retries: row.retries,
    expiresAt: row.expires_at,
    collapsedInto: row.collapsed_into,
  };
}

export function requestMethods(deps: ApiDeps) {
  const { store, clock } = deps;
  const requests = () =>
    store.read
      .selectFrom("build_requests as r")
      .innerJoin("builders as n", "n.id", "r.builder_id")
      .selectAll("r")
      .select(["n.name", "n.project"]);

  async function find(id: number, caller: Caller): Promise<RequestRow> {
    const row = await requests().where("r.id", "=", idOrNone(id)).executeTakeFirst();
    if (!row || !(await new View(caller, store).sees(row.name))) throw faults.notFound("request", String(id));
    return row;
  }

  /** A buildset with those of its requests that the caller sees. */
  async function findBuildset(asked: number, caller: Caller) {
    const buildset = idOrNone(asked);
    const row = await store.read.selectFrom("buildsets").selectAll().where("id", "=", buildset).executeTakeFirst();
    const view = new View(caller, store);
    const names = await view.builders();
    const all = await requests().where("r.buildset_id", "=", buildset).orderBy("r.id").execute();
    const visible = all.filter((request) => names === null || names.has(request.name));
    if (!row || (names !== null && visible.length === 0)) throw faults.notFound("buildset", String(asked));
    return { row, visible, view };
  }

  return [
    defineMethod({
      name: "requests.list",
      permission: "read",
      summary:
        'Build requests, newest first; `order: "queue"` gives those that wait in the order in which they will start.',
      params: z.strictObject({
        builder: z.string().optional(),
        state: z.enum(["pending", "claimed", "complete"]).optional(),
        buildset: z.int().optional(),
        include: z
          .array(z.enum(REQUEST_DETAILS))
          .min(1)
          .max(REQUEST_DETAILS.length)
          .optional()
          .describe("what each item has besides its fields"),
        ...pageParams(FIELDS, ["-id", "id", "queue"]),
      }),
      result: pageResult(requestShape.extend(requestDetailsShape.shape)),
      example: { state: "pending", limit: 10 },
      stability: "stable",
      lasts: () => true,
      async call({ limit = DEFAULT_LIMIT, cursor, order = "-id", fields, include, ...filter }, { caller }) {
        const names = await new View(caller, store).builders();
        const query = `requests.list ${order}`;
        const place = z.tuple([z.int().min(-MOST_ID).max(MOST_ID), idPlace]);
        const after = readCursor(cursor, query, place);
        const queue = order === "queue";
        const [urgency, id] = after ?? [0, 0];
        const rows = await requests()
          .$if(names !== null, (q) => q.where("n.name", "in", [...(names ?? []), ""]))
          .$if(filter.builder !== undefined, (q) => q.where("n.name", "=", filter.builder as string))
          .$if(filter.buildset !== undefined, (q) => q.where("r.buildset_id", "=", idOrNone(filter.buildset as number)))
          .$if(queue || filter.state !== undefined, (q) => q.where("r.state", "=", filter.state ?? "pending"))
          .$if(queue && after !== undefined, (q) =>
            q.where((eb) =>
              eb.or([eb("r.urgency", ">", urgency), eb.and([eb("r.urgency", "=", urgency), eb("r.id", ">", id)])]),
            ),
          )
          .$if(!queue && after !== undefined, (q) => q.where("r.id", order === "id" ? ">" : "<", id))
          .$if(queue, (q) => q.orderBy("r.urgency"))
          .orderBy("r.id", order === "-id" ? "desc" : "asc")
          .limit(limit + 1)
          .execute();
        const page = toPage(rows.map(toRequest), limit, query, (last) => [-last.priority, last.id], fields);
        if (!include) return page;
        const found = await requestDetails(deps, rows.slice(0, limit), include);
        return { items: page.items.map((item, i) => ({ ...item, ...found[i] })), next: page.next };
      },
    }),
    defineMethod({
      name: "requests.get",
      permission: "read",
      summary: "One build request, with its builds so far.",
      params: z.strictObject({ request: z.int() }),
      result: requestShape.extend({
        builds: z.array(z.int()),
        collapsed: z.array(z.int()).describe("requests that are built with it"),
      }),
      example: { request: 1 },
      stability: "stable",
      lasts: () => true,
      async call({ request }, { caller }) {
        const row = await find(request, caller);
        const builds = await store.read
          .selectFrom("builds")
          .select("id")
          .where("request_id", "=", request)
          .orderBy("id")
          .execute();
        const collapsed = await store.read
          .selectFrom("build_requests")
          .select("id")
          .where("collapsed_into", "=", request)
          .orderBy("id")
          .execute();
        return {
          ...toRequest(row),
          builds: builds.map((build) => build.id),
          collapsed: collapsed.map((other) => other.id),
        };
      },
    }),
    defineMethod({
      name: "requests.cancel",
      permission: "control",
      summary: "Cancels a request; if it is being built, its build is stopped.",
      params: z.strictObject({ request: z.int(), reason: z.string().max(500).optional() }),
      result: z.object({ request: z.int(), stopping: z.array(z.int()).describe("builds that are told to stop") }),
      example: { request: 2, reason: "not needed any more" },
      stability: "stable",
      async call({ request, reason }, { caller }) {
        const row = await find(request, caller);
        await new View(caller, store).requireControl("requests.cancel", row.name);
        const text = `cancelled by ${caller.name}${reason ? `: ${reason}` : ""}`;
        const { name: builder, project } = row;
        const cancelled = { id: request, buildsetId: row.buildset_id, builder, project };
        const stopping = await store.write((tx) => cancelRequest(tx, cancelled, text));
        if (!stopping) throw faults.requestEnded(request);
        return { request, stopping };
      },
    }),
    defineMethod({
      name: "requests.why",
      permission: "read",
      summary:
        "Why a request waits: every cause, from the code that decides. Without causes it is given to a worker at once.",
      params: z.strictObject({ request: z.int() }),
      result: z.object({
        request: z.int(),
        state: requestShape.shape.state,
        reasons: z.array(z.looseObject({ reason: z.string() })),
        ahead: z
          .int()
          .describe(`requests for the same builder that come first; no more than ${MOST_AHEAD} are counted`),
      }),
      example: { request: 1 },
      stability: "experimental",
      async call({ request }, { caller }) {
        const row = await find(request, caller);
        const names = await new View(caller, store).builders();
        const answer = await whyItWaits(store, row, deps.generation().builders, clock.now(), names);
        const shown = names === null ? answer.reasons : answer.reasons.map(withoutHidden);
        return { request, ...answer, reasons: shown as unknown as { reason: string; [key: string]: Json }[] };
      },
    }),
    defineMethod({
      name: "requests.prioritize",
      permission: "control",
      summary: "Gives a request that waits another priority; also its place in the line for locks follows it.",
      params: z.strictObject({ request: z.int(), priority: z.int().min(-MOST_ID).max(MOST_ID) }),
      result: z.object({ request: z.int(), priority: z.int() }),
      example: { request: 1, priority: 10 },
      async call({ request, priority }, { caller }) {
        const { buildset_id: buildsetId, name: builder, project } = await find(request, caller);
        await new View(caller, store).requireControl("requests.prioritize", builder);
        const key = { id: request, buildsetId, builder, project };
        if (!(await store.write((tx) => setPriority(tx, key, priority, true)))) throw faults.requestNotWaiting(request);
        return { request, priority };
      },
    }),
    defineMethod({
      name: "buildsets.rebuild",
      permission: "control",
      summary:
        "Builds once more what of a buildset ended as failure or exception, as a new buildset of the same source.",
      params: z.strictObject({ buildset: z.int(), reason: z.string().max(500).optional() }),
      result: z.object({
        buildset: z.int(),
        requests: z.array(z.object({ id: z.int(), builder: z.string() })),
      }),
      example: { buildset: 1, reason: "was it the network?" },
      stability: "experimental",
      async call({ buildset: asked, reason }, { caller }) {
        const { row, visible, view } = await findBuildset(asked, caller);
        const failed = visible.filter(({ result }) => result === "failure" || result === "exception");
        const meant = (failed.length === 0 ? visible : failed).map((request) => request.name);
        await view.requireControl("buildsets.rebuild", ...meant);
        if (failed.length === 0) throw faults.nothingToRebuild(asked);
        return rebuildOf(store, row, {
          builders: failed.map((request) => request.name),
          reason: `rebuild of what failed in buildset ${row.id} by ${caller.name}${reason ? `: ${reason}` : ""}`,
          priority: Math.max(...failed.map((request) => request.priority)),
          owner: caller.name,
        });
      },
    }),
    defineMethod({
      name: "buildsets.get",
      permission: "read",
      summary: "A buildset with its source stamps, changes and requests.",
      params: z.strictObject({ buildset: z.int() }),
      result: buildsetShape,
      example: { buildset: 1 },
      stability: "stable",
      lasts: () => true,
      async call({ buildset: asked }, { caller }) {
        const { row, visible, view } = await findBuildset(asked, caller);
        const buildset = row.id;
        const stamps = await stampsOf(store.read, [buildset]);
        const changes = await store.read
          .selectFrom("buildset_changes as l")
          .innerJoin("changes as c", "c.id", "l.change_id")
          .select(["l.change_id", "c.project"])
          .where("l.buildset_id", "=", buildset)
          .orderBy("l.change_id")
          .execute();
        return {
          id: row.id,
          scheduler: row.scheduler,
          owner: row.owner,
          reason: row.reason,
          externalId: row.external_id,
          parent: (await parentsOf(deps, view, [buildset])).get(buildset) ?? null,
          properties: JSON.parse(row.properties),
          submittedAt: row.submitted_at,
          completeAt: row.complete_at,
          result: row.result as Result | null,
          sourceStamps: stamps.get(buildset) ?? [],
          changes: changes.filter(({ project }) => view.seesProject(project)).map((change) => change.change_id),
          requests: visible.map(toRequest),
        };
      },
    }),
  ];
}

/** What others build is not told to somebody who may not see everything. */
function withoutHidden(reason: WaitReason): WaitReason {
  if (reason.reason !== "workers-busy") return reason;
  return { ...reason, workers: reason.workers.map((worker) => ({ ...worker, builds: [] })) };
}
