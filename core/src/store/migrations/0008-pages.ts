import { Migration } from "@mikro-orm/migrations";

const SQLITE = [
  "create table `worker_pauses` (`worker` text not null primary key, `reason` text not null, `by` text not null, `at` bigint not null)",
  "create index `changes_added_at_id_index` on `changes` (`added_at`, `id`)",
  "create index `build_requests_builder_id_state_urgency_id_index` on `build_requests` (`builder_id`, `state`, `urgency`, `id`)",
  "create index `builds_builder_id_finished_at_id_index` on `builds` (`builder_id`, `finished_at`, `id`)",
];

const POSTGRESQL = [
  'create table "worker_pauses" ("worker" varchar(255) not null primary key, "reason" text not null, "by" text not null, "at" bigint not null)',
  'create index "changes_added_at_id_index" on "changes" ("added_at", "id")',
  'create index "build_requests_builder_id_state_urgency_id_index" on "build_requests" ("builder_id", "state", "urgency", "id")',
  'create index "builds_builder_id_finished_at_id_index" on "builds" ("builder_id", "finished_at", "id")',
];

/** Workers that get no builds for a while, by name, so that a pause outlasts the worker's row; and what is looked up by time, or in a long queue. */
export class Pages extends Migration {
  override up(): void {
    const sqlite = this.driver.constructor.name.startsWith("Sqlite");
    for (const sql of sqlite ? SQLITE : POSTGRESQL) this.addSql(sql);
  }
}
