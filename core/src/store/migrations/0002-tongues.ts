import { Migration } from "@mikro-orm/migrations";

const SQLITE = [
  "create index `builds_builder_id_branch_id_index` on `builds` (`builder_id`, `branch`, `id`)",
  "create index `builds_finished_at_id_index` on `builds` (`finished_at`, `id`)",
  "create index `builds_worker_id_index` on `builds` (`worker`, `id`)",
  "create table `audit` (`id` integer not null primary key autoincrement, `at` bigint not null, `caller` text not null, `kind` text not null, `origin` text null, `method` text not null, `params` text not null, `outcome` text not null)",
  "create index `audit_caller_id_index` on `audit` (`caller`, `id`)",
  "create index `audit_method_id_index` on `audit` (`method`, `id`)",
  "create table `listener_cursors` (`name` text not null primary key, `position` bigint not null, `caller` text not null, `moved_at` bigint not null)",
];

const POSTGRESQL = [
  'create index "builds_builder_id_branch_id_index" on "builds" ("builder_id", "branch", "id")',
  'create index "builds_finished_at_id_index" on "builds" ("finished_at", "id")',
  'create index "builds_worker_id_index" on "builds" ("worker", "id")',
  'create table "audit" ("id" serial primary key, "at" bigint not null, "caller" text not null, "kind" varchar(20) not null, "origin" text null, "method" varchar(200) not null, "params" text not null, "outcome" varchar(200) not null)',
  'create index "audit_caller_id_index" on "audit" ("caller", "id")',
  'create index "audit_method_id_index" on "audit" ("method", "id")',
  'create table "listener_cursors" ("name" varchar(255) not null, "position" bigint not null, "caller" text not null, "moved_at" bigint not null, primary key ("name"))',
];

/** What the tongues ask for: builds by end and by worker, who controlled what, and where remote listeners are. */
export class Tongues extends Migration {
  override up(): void {
    const sqlite = this.driver.constructor.name.startsWith("Sqlite");
    for (const sql of sqlite ? SQLITE : POSTGRESQL) this.addSql(sql);
  }
}
