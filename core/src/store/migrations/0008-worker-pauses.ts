import { Migration } from "@mikro-orm/migrations";

const SQLITE =
  "create table `worker_pauses` (`worker` text not null primary key, `reason` text not null, `by` text not null, `at` bigint not null)";

const POSTGRESQL =
  'create table "worker_pauses" ("worker" varchar(255) not null primary key, "reason" text not null, "by" text not null, "at" bigint not null)';

/** Workers that get no builds for a while; by name, so that a pause outlasts the worker's row. */
export class WorkerPauses extends Migration {
  override up(): void {
    this.addSql(this.driver.constructor.name.startsWith("Sqlite") ? SQLITE : POSTGRESQL);
  }
}
