import { z } from "zod";
import { faults } from "../errors/catalogue.ts";
import type { Caller } from "../interfaces/api-method.ts";
import type { Row } from "../store/tables.ts";
import type { ApiDeps } from "./deps.ts";
import { idOrNone } from "./ids.ts";
import { View } from "./visibility.ts";

/** How far a negative number may reach back. */
const FARTHEST = 10_000;

/** How a single build is named: by id, or by builder and number. */
export const buildRef = {
  build: z.int().optional().describe("the build's id"),
  builder: z.string().optional().describe("with `number`, instead of the id"),
  number: z
    .int()
    .optional()
    .describe(`of this builder; -1 is its newest build, -2 the one before, down to -${FARTHEST}`),
};

interface BuildRef {
  build?: number | undefined;
  builder?: string | undefined;
  number?: number | undefined;
}

/** Finds the build a caller names, if he may see it. */
export async function findBuild(
  { store }: ApiDeps,
  ref: BuildRef,
  caller: Caller,
): Promise<Row<"builds"> & { name: string }> {
  const { build, builder, number } = ref;
  if (build === undefined && (builder === undefined || number === undefined)) {
    throw faults.paramsInvalid("builds.get", [{ path: "build", message: "give `build`, or `builder` and `number`" }]);
  }
  const named = build ?? number ?? 0;
  const back = build === undefined && named < 0 ? -named : undefined;
  const row = await store.read
    .selectFrom("builds as b")
    .innerJoin("builders as n", "n.id", "b.builder_id")
    .selectAll("b")
    .select("n.name")
    .$if(build !== undefined, (q) => q.where("b.id", "=", idOrNone(named)))
    .$if(build === undefined, (q) => q.where("n.name", "=", builder as string))
    .$if(build === undefined && back === undefined, (q) => q.where("b.number", "=", idOrNone(named)))
    .$if(back !== undefined, (q) => q.offset(Math.min((back as number) - 1, FARTHEST)))
    .orderBy("b.number", "desc")
    .limit(1)
    .executeTakeFirst();
  if (!row || !(await new View(caller, store).sees(row.name))) {
    throw faults.notFound("build", build === undefined ? `${number} of builder "${builder}"` : String(build));
  }
  return row;
}
