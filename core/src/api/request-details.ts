import { z } from "zod";
import type { Json } from "../interfaces/values.ts";
import { stampsOf } from "../store/buildsets.ts";
import type { ApiDeps } from "./deps.ts";
import { stampShape } from "./shapes.ts";

/** What can be asked for with requests, so that a queue costs one call. */
export const requestDetailsShape = z.object({
  reason: z.string(),
  sourceStamps: z.array(stampShape),
  properties: z.record(z.string(), z.json()),
  builds: z.array(z.int()).describe("its builds so far, oldest first"),
});

export type RequestDetail = keyof typeof requestDetailsShape.shape;
export type RequestDetails = z.output<typeof requestDetailsShape>;

export const REQUEST_DETAILS = Object.keys(requestDetailsShape.shape) as [RequestDetail, ...RequestDetail[]];

/** The wanted details of requests, in their order. */
export async function requestDetails(
  { store }: ApiDeps,
  requests: readonly { id: number; buildset_id: number }[],
  wanted: readonly RequestDetail[],
): Promise<Partial<RequestDetails>[]> {
  if (requests.length === 0) return [];
  const wants = (detail: RequestDetail) => wanted.includes(detail);
  const buildsets = [...new Set(requests.map((request) => request.buildset_id))];
  const [rows, stamps, builds] = await Promise.all([
    wants("reason") || wants("properties")
      ? store.read.selectFrom("buildsets").select(["id", "reason", "properties"]).where("id", "in", buildsets).execute()
      : [],
    wants("sourceStamps") ? stampsOf(store.read, buildsets) : undefined,
    wants("builds")
      ? store.read
          .selectFrom("builds")
          .select(["id", "request_id"])
          .where(
            "request_id",
            "in",
            requests.map(({ id }) => id),
          )
          .orderBy("id")
          .execute()
      : [],
  ]);
  const sets = new Map(rows.map((row) => [row.id, row]));
  const built = Map.groupBy(builds, (build) => build.request_id);
  return requests.map(({ id, buildset_id }) => {
    const set = sets.get(buildset_id);
    return {
      ...(wants("reason") && { reason: set?.reason ?? "" }),
      ...(wants("sourceStamps") && { sourceStamps: stamps?.get(buildset_id) ?? [] }),
      ...(wants("properties") && { properties: JSON.parse(set?.properties ?? "{}") as Record<string, Json> }),
      ...(wants("builds") && { builds: (built.get(id) ?? []).map((build) => build.id) }),
    };
  });
}
