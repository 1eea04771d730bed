import type { Json } from "belfry";
import { metricsObject } from "../objects/metrics.ts";
import { branch, leaf, type Node, object } from "../tree.ts";
import { builderNode } from "./builder-node.ts";
import { slaveNode } from "./slave-node.ts";
import type { World } from "./world.ts";

/** All that is below `/json`. */
export function rootNode(world: World): Node {
  const { reader, site } = world;
  const builders: Node = {
    about: "All builders, each under its name.",
    names: async () => (await reader.builders()).map(({ name }) => name),
    child: async (name) => {
      const builder = await reader.builder(name);
      return builder && builderNode(builder, world);
    },
  };
  const slaves: Node = {
    about: "All slaves, each under its name.",
    names: async () => (await reader.workers()).map(({ name }) => name),
    child: async (name) => {
      const worker = (await reader.workers()).find((one) => one.name === name);
      return worker && slaveNode(worker, world);
    },
  };
  const project = leaf("What this installation is called and where its pages are.", async () => {
    const { title } = await reader.status();
    return { title, titleURL: null, projectName: title, projectURL: null, buildbotURL: site.url };
  });
  const changeSources = leaf("What is watched for changes, by place in the configuration.", async () => {
    const sources = await reader.sources();
    return object(sources.map(({ name, kind }, i) => [String(i), { description: `${kind} ${name}` } as Json]));
  });
  const metrics = leaf("Counters, timers and alarms of this master.", () => metricsObject(reader));
  return branch("The status of this master.", {
    builders,
    change_sources: changeSources,
    project,
    slaves,
    metrics,
  });
}
