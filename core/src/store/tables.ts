import type { InferKyselyDB } from "@mikro-orm/sql";
import type { Kysely, Selectable } from "kysely";
import type { ENTITIES } from "./entities.ts";

/** The tables as kysely sees them, inferred from the entities. */
export type Tables = InferKyselyDB<(typeof ENTITIES)[number]>;

export type Db = Kysely<Tables>;

export type Row<T extends keyof Tables> = Selectable<Tables[T]>;
