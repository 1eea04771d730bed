import type { Json } from "belfry";
import type { Build, Reader, Worker } from "../reader.ts";
import type { Site } from "../site.ts";
import { object } from "../tree.ts";
import { Turns } from "../turns.ts";
import { buildObject } from "./build.ts";

const AT_A_TIME = 8;

/** A worker; `most` is how many of the newest builds of each builder are looked at for its own. */
export async function slaveObject(worker: Worker, reader: Reader, site: Site, most: number): Promise<Json> {
  const running: Build[] = [];
  for (const id of worker.builds) {
    const build = await reader.buildOf(id);
    if (build !== undefined) running.push(build);
  }
  return {
    name: worker.name,
    access_uri: null,
    host: worker.info.host ?? null,
    admin: worker.info.admin ?? null,
    version: worker.info.version ?? null,
    connected: worker.connected,
    runningBuilds: running.map((build) => buildObject(build, reader, site)),
    info: worker.info,
    builders: await builtFor(worker, reader, most),
  };
}

/** Which of each builder's newest builds this worker did, newest first, as far as the first one that still runs. */
async function builtFor(worker: Worker, reader: Reader, most: number): Promise<Json> {
  const found = new Map<string, number[]>();
  const turns = new Turns();
  for (let at = 0; at < worker.builders.length; at += AT_A_TIME) {
    if (turns.due) await turns.give();
    await Promise.all(
      worker.builders.slice(at, at + AT_A_TIME).map(async (builder) => {
        const marks = most > 0 ? await reader.marks(builder, most) : [];
        const running = marks.findIndex(({ state }) => state !== "finished");
        const ended = running < 0 ? marks : marks.slice(0, running);
        found.set(
          builder,
          ended.filter((mark) => mark.worker === worker.name).map(({ number }) => number),
        );
      }),
    );
  }
  return object(found);
}
