import type { SocketClient } from "belfry";
import * as assert from "uvu/assert";

export interface Buildset {
  id: number;
  scheduler: string;
  changes: number[];
  externalId: string | null;
  parent: { build: number; step: number } | null;
  result: string | null;
  requests: { id: number; result: string }[];
}

export async function setsOf(client: SocketClient, requests: { buildset: number }[]): Promise<Map<number, Buildset>> {
  const sets = new Map<number, Buildset>();
  for (const { buildset } of requests)
    if (!sets.has(buildset)) sets.set(buildset, (await client.call("buildsets.get", { buildset })) as never);
  return sets;
}

/** Each request has exactly one result, and one that it may have. */
export function checkResults(
  requests: any[],
  builds: any[],
  sets: ReadonlyMap<number, Buildset>,
  cancelled: ReadonlyMap<number, boolean>,
): void {
  const byId = new Map(requests.map((request) => [request.id, request]));
  const buildById = new Map(builds.map((build) => [build.id, build]));
  for (const request of requests) {
    const about = `request ${request.id} of ${request.builder}, ${request.result}`;
    assert.is(request.state, "complete", about);
    const own = builds.filter((build) => build.request === request.id);
    const ends = own.filter((build) => build.result !== "retry");
    assert.ok(ends.length <= 1, `${about}: one build at most that is no retry`);
    const [end] = ends;
    if (end) {
      assert.is(end, own.at(-1), `${about}: no build follows the one that is no retry`);
      assert.is(request.result, end.result, about);
      assert.is(request.collapsedInto, null, about);
    }
    if (request.result === "skipped") {
      assert.ok(["merged", "loose"].includes(request.builder), `${about}: only some are collapsed`);
      const target = byId.get(request.collapsedInto);
      assert.ok(target, about);
      assert.is(target.builder, request.builder, about);
      assert.ok(target.id > request.id, `${about}: the newest is built`);
    } else if (request.result === "cancelled") {
      const parent = buildById.get(sets.get(request.buildset)?.parent?.build);
      const byParent = parent?.builder === "strict" && parent.result !== "success";
      const byChild = own.some((build) => isParentOfCancelled(build, sets));
      assert.ok(cancelled.has(request.id) || byParent || byChild, `${about}: somebody cancelled it`);
    } else assert.is(request.result, "success", about);
    if (request.result === "success") assert.ok(end, `${about}: it was built`);
    if (cancelled.get(request.id)) assert.is(request.result, "cancelled", `${about}: its end was acknowledged`);
  }
  assert.ok(
    builds.some((build) => build.result === "retry"),
    "some builds were cut off, or this test tested nothing",
  );
  for (const [what, found] of Object.entries({
    collapsed: requests.some((request) => request.collapsedInto !== null),
    cancelled: requests.some((request) => request.result === "cancelled"),
    "of another priority": requests.some((request) => request.priority !== 0),
  }))
    assert.ok(found, `some requests were ${what}, or this test tested nothing`);
}

function isParentOfCancelled(build: { id: number }, sets: ReadonlyMap<number, Buildset>): boolean {
  return [...sets.values()].some((set) => set.parent?.build === build.id && set.result === "cancelled");
}

/** Every run of a step that triggers has one buildset, and its result is the step's. */
export function checkTriggers(builds: any[], sets: ReadonlyMap<number, Buildset>): void {
  const children = [...sets.values()].filter((set) => set.scheduler === "below");
  const parents = new Set<number>();
  for (const set of children) {
    assert.ok(set.parent, `buildset ${set.id} has a parent`);
    assert.not.ok(parents.has(set.parent.build), `build ${set.parent.build} triggered once`);
    parents.add(set.parent.build);
    assert.is(set.requests.length, 1);
    const parent = builds.find((build) => build.id === set.parent?.build);
    if (parent.result === "success") assert.is(set.result, "success", `what build ${parent.id} waited for`);
  }
  const waited = builds.filter((build) => build.result === "success" && ["strict", "loose"].includes(build.builder));
  assert.ok(waited.length > 0);
  for (const build of waited) assert.ok(parents.has(build.id), `build ${build.id} triggered`);
}

/** What has not ended, and why, for somebody who has to find out why it does not. */
export async function openWork(client: SocketClient): Promise<string> {
  const call = async (method: string, params = {}): Promise<any> => client.call(method, params);
  const pending = (await call("requests.list", { state: "pending", limit: 20, order: "queue" })).items;
  const why = await Promise.all(pending.map(({ id }: { id: number }) => call("requests.why", { request: id })));
  const { items: locks } = await call("locks.list");
  return JSON.stringify({ now: await call("status.now"), pending, why, locks }, null, 1);
}
