import { z } from "zod";
import { faults } from "../../errors/catalogue.ts";
import { buildRef, findBuild } from "../build-ref.ts";
import type { ApiDeps } from "../deps.ts";
import { defineMethod } from "../method.ts";
import { rebuildOf } from "../rebuild.ts";
import { View } from "../visibility.ts";

export function buildControlMethods(deps: ApiDeps) {
  const { store } = deps;
  return [
    defineMethod({
      name: "builds.stop",
      permission: "control",
      summary: "Stops a build; it ends as cancelled, with its request.",
      params: z.strictObject({ ...buildRef, reason: z.string().max(500).optional() }),
      result: z.object({ build: z.int() }),
      example: { builder: "runtests", number: -1, reason: "not needed any more" },
      stability: "stable",
      async call({ reason, ...ref }, { caller }) {
        const { id, name } = await findBuild(deps, ref, caller);
        await new View(caller, store).requireControl("builds.stop", name);
        const text = `stopped by ${caller.name}${reason ? `: ${reason}` : ""}`;
        await store.write(async (tx) => {
          const row = await tx.db
            .updateTable("builds")
            .set((eb) => ({ stop_reason: eb.fn.coalesce("stop_reason", eb.val(text)) }))
            .where("id", "=", id)
            .where("state", "!=", "finished")
            .returning("master_id")
            .executeTakeFirst();
          if (!row) throw faults.buildEnded(id);
          tx.ring(`builds:${row.master_id}`);
        });
        return { build: id };
      },
    }),
    defineMethod({
      name: "builds.rebuild",
      permission: "control",
      summary: "Builds the same source once more with the same properties, as a new buildset.",
      params: z.strictObject({ ...buildRef, reason: z.string().max(500).optional() }),
      result: z.object({ buildset: z.int(), request: z.int() }),
      example: { builder: "runtests", number: 1, reason: "was it the network?" },
      stability: "stable",
      async call({ reason, ...ref }, { caller }) {
        const build = await findBuild(deps, ref, caller);
        await new View(caller, store).requireControl("builds.rebuild", build.name);
        const [buildset, request] = await Promise.all([
          store.read
            .selectFrom("buildsets")
            .select("properties")
            .where("id", "=", build.buildset_id)
            .executeTakeFirst(),
          store.read
            .selectFrom("build_requests")
            .select("priority")
            .where("id", "=", build.request_id)
            .executeTakeFirst(),
        ]);
        const from = { id: build.buildset_id, properties: buildset?.properties ?? "{}" };
        const added = await rebuildOf(store, from, {
          builders: [build.name],
          reason: `rebuild of ${build.name} ${build.number} by ${caller.name}${reason ? `: ${reason}` : ""}`,
          priority: request?.priority ?? 0,
          owner: caller.name,
        });
        return { buildset: added.buildset, request: added.requests[0]?.id ?? 0 };
      },
    }),
  ];
}
