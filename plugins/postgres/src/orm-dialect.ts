import { type Dialect, PostgresDialect } from "kysely";
import pg from "pg";

/**
 * What MikroORM gets: each Kysely that it makes has connections of its own, which end with it.
 * They have no time limit, because a migration may take minutes.
 */
export function ormDialect(config: pg.ClientConfig): Dialect {
  return new PostgresDialect({
    pool: async () => {
      const pool = new pg.Pool({ ...config, max: 2 });
      pool.on("error", () => {});
      pool.on("connect", (client) => client.on("error", () => {}));
      return pool;
    },
  });
}
