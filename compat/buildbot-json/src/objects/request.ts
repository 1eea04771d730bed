import { seconds } from "@belfry/buildbot-words";
import type { Json } from "belfry";
import type { Build, Reader, Request } from "../reader.ts";
import type { Site } from "../site.ts";
import { buildObject } from "./build.ts";
import { NO_STAMP, sourceStampObject, triples } from "./source-stamp.ts";

export async function requestObject(request: Request, reader: Reader, site: Site): Promise<Json> {
  const builds: Build[] = [];
  for (const id of request.builds) {
    const build = await reader.buildOf(id);
    if (build !== undefined) builds.push(build);
  }
  return {
    source: sourceStampObject(request.sourceStamps[0] ?? NO_STAMP, []),
    builderName: request.builder,
    submittedAt: seconds(request.submittedAt),
    builds: builds.map((build) => buildObject(build, reader, site)),
    properties: triples(Object.entries(request.properties).map(([name, value]) => [name, value, "Scheduler"])),
  };
}
