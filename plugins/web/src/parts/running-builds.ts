import type { View } from "../extension.ts";

const MOST = 500;

export interface Named {
  builder: string;
  number: number;
}

/** What runs now, by the builds' ids: how a reader would name it. */
export async function runningBuilds(view: View): Promise<ReadonlyMap<number, Named>> {
  const of = (state: "running" | "assigned") =>
    view.ask("builds.list", { state, limit: MOST, fields: ["id", "builder", "number"] });
  const [now, soon] = await Promise.all([of("running"), of("assigned")]);
  return new Map(
    [...now.items, ...soon.items].map(({ id = 0, builder = "", number = 0 }) => [id, { builder, number }]),
  );
}
