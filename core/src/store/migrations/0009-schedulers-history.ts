import { Migration } from "@mikro-orm/migrations";

const SQLITE = ["create index `buildsets_scheduler_id_index` on `buildsets` (`scheduler`, `id`)"];

const POSTGRESQL = ['create index "buildsets_scheduler_id_index" on "buildsets" ("scheduler", "id")'];

/** What a scheduler began last is looked up among all buildsets. */
export class SchedulersHistory extends Migration {
  override up(): void {
    const sqlite = this.driver.constructor.name.startsWith("Sqlite");
    for (const sql of sqlite ? SQLITE : POSTGRESQL) this.addSql(sql);
  }
}
