import { MikroORM } from "@mikro-orm/core";
import { Migrator } from "@mikro-orm/migrations";
import type { OrmOptions } from "../interfaces/database.ts";
import { ENTITIES } from "./entities.ts";
import { Tables } from "./migrations/0001-tables.ts";
import { Tongues } from "./migrations/0002-tongues.ts";
import { Scheduling } from "./migrations/0003-scheduling.ts";
import { Distribution } from "./migrations/0004-distribution.ts";
import { Builds } from "./migrations/0005-builds.ts";
import { Operation } from "./migrations/0006-operation.ts";
import { Resuming } from "./migrations/0007-resuming.ts";
import { Pages } from "./migrations/0008-pages.ts";
import { SchedulersHistory } from "./migrations/0009-schedulers-history.ts";

/** Loads MikroORM, which only migrations and checks of the tables need, and runs what is pending. */
export async function runMigrations(options: OrmOptions): Promise<void> {
  await using orm = await open(options);
  await orm.value.migrator.up();
}

/** SQL that would be needed to bring our tables to what the entities say; "" when they agree. Other tables are let be. */
export async function schemaDifference(options: OrmOptions): Promise<string> {
  await using orm = await open(options);
  const sql: string = await orm.value.schema.getUpdateSchemaSQL({ wrap: false, dropTables: false });
  return sql.trim();
}

async function open(options: OrmOptions) {
  // biome-ignore lint/suspicious/noExplicitAny: the migrator and schema generator depend on the driver.
  const value: any = await MikroORM.init({
    ...options,
    entities: [...ENTITIES],
    extensions: [Migrator],
    logger: () => undefined,
    migrations: {
      migrationsList: [
        { name: "0001-tables", class: Tables },
        { name: "0002-tongues", class: Tongues },
        { name: "0003-scheduling", class: Scheduling },
        { name: "0004-distribution", class: Distribution },
        { name: "0005-builds", class: Builds },
        { name: "0006-operation", class: Operation },
        { name: "0007-resuming", class: Resuming },
        { name: "0008-pages", class: Pages },
        { name: "0009-schedulers-history", class: SchedulersHistory },
      ],
      snapshot: false,
      transactional: true,
    },
    // biome-ignore lint/suspicious/noExplicitAny: see above.
  } as any);
  return { value, [Symbol.asyncDispose]: () => value.close(true) as Promise<void> };
}
