import { buildObject } from "../objects/build.ts";
import { changeObject, NO_STAMP, sourceStampObject } from "../objects/source-stamp.ts";
import { stepObjects } from "../objects/step.ts";
import type { Build } from "../reader.ts";
import { branch, leaf, type Node, object } from "../tree.ts";
import type { World } from "./world.ts";

export function buildNode(build: Build, world: World): Node {
  const { reader, site } = world;
  return branch(
    "A build: what was built, how it went, and its steps.",
    { source_stamp: sourceStampNode(build), steps: stepsNode(build, world) },
    async () => buildObject(build, reader, site),
  );
}

function sourceStampNode(build: Build): Node {
  const stamp = build.sourceStamps[0] ?? NO_STAMP;
  const changes = build.changes.filter((change) => change.codebase === stamp.codebase);
  const node = (change: (typeof changes)[number]) => leaf("A change.", async () => changeObject(change));
  return branch(
    "What was built: branch, revision and changes. If there are several codebases, the first of them.",
    {
      changes: branch(
        "The changes in this build, each under its number.",
        object(changes.map((change) => [String(change.id), node(change)])),
      ),
    },
    async () => sourceStampObject(stamp, build.changes),
  );
}

function stepsNode(build: Build, { reader, site }: World): Node {
  const objects = () => {
    reader.changing ||= build.finishedAt === null;
    return stepObjects(build, site);
  };
  return {
    about: "The steps of this build that have begun, by place, counted from 0. One can be named as well.",
    own: async () => object(objects().map((step, index) => [String(index), step])),
    names: async () => build.steps.map((_, index) => String(index)),
    async child(name) {
      const place = /^\d{1,6}$/.test(name) && Number(name) < build.steps.length ? Number(name) : undefined;
      const index = place ?? build.steps.findIndex((step) => step.name === name);
      return index < 0 ? undefined : leaf("A step of a build.", async () => objects()[index] ?? null);
    },
  };
}
