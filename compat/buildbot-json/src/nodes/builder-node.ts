import type { Json } from "belfry";
import { buildObject } from "../objects/build.ts";
import { builderObject } from "../objects/builder.ts";
import { requestObject } from "../objects/request.ts";
import { wholeNumber } from "../query.ts";
import type { Builder } from "../reader.ts";
import { branch, leaf, type Node, object } from "../tree.ts";
import { buildNode } from "./build-node.ts";
import { slaveNode } from "./slave-node.ts";
import type { World } from "./world.ts";

/** How many builds `_all` has if it is not told. */
const USUAL = 15;

export function builderNode(builder: Builder, world: World): Node {
  const { reader, site, options } = world;
  return branch(
    "A builder: what it is called, whether it builds, and the numbers of its newest builds.",
    {
      builds: buildsNode(builder.name, world),
      pendingBuilds: leaf(
        "The requests that wait for this builder, in the order in which they will be built.",
        async () => {
          const objects: Json[] = [];
          for (const request of await reader.pending(builder.name, options.pendingLimit))
            objects.push(await requestObject(request, reader, site));
          return objects;
        },
      ),
      slaves: {
        about: "The slaves of this builder, each under its name.",
        names: async () => (await own()).map(({ name }) => name),
        child: async (name) => {
          const worker = (await own()).find((one) => one.name === name);
          return worker && slaveNode(worker, world);
        },
      },
    },
    () => builderObject(builder, reader, options.cachedBuilds),
  );

  async function own() {
    return (await reader.workers()).filter(({ name }) => builder.workers.includes(name));
  }
}

function buildsNode(builder: string, world: World): Node {
  const { reader, site, query, options } = world;
  return {
    about: `The numbers of the newest ${options.numbersLimit} builds. Below it a build by number, -1 for the newest; and _all, the newest ones whole.`,
    own: async () => object((await names()).map((number) => [number, null])),
    names,
    async child(name) {
      if (name === "_all") return leaf("The newest builds, whole. The query `max` says how many.", all);
      const number = /^-?\d{1,9}$/.test(name) ? Number(name) : undefined;
      const build = number === undefined ? undefined : await reader.build(builder, number);
      return build && buildNode(build, world);
    },
  };

  async function names(): Promise<string[]> {
    return (await reader.numbers(builder, options.numbersLimit)).map(String);
  }

  async function all(): Promise<Json> {
    const most = Math.min(options.buildsLimit, wholeNumber(query.max) ?? USUAL);
    const builds = most > 0 ? await reader.newest(builder, most) : [];
    return object(builds.map((build) => [String(build.number), buildObject(build, reader, site)]));
  }
}
