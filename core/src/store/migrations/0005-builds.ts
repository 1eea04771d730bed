import { Migration } from "@mikro-orm/migrations";

const SQLITE = [
  "alter table `steps` add column `parent` integer null",
  "alter table `steps` add column `hidden` integer not null default 0",
  "alter table `steps` add column `attempts` text null",
  "alter table `steps` add column `links` text null",
  "alter table `steps` add column `statistics` text null",
  "alter table `steps` add column `failing` text null",
  "create table `build_data` (`build_id` integer not null, `name` text not null, `step` integer not null, `type` text not null, `bytes` integer not null, `value` text not null, primary key (`build_id`, `name`))",
  "create table `build_failures` (`build_id` integer not null primary key, `state` text not null, `made_at` bigint null, `summary` text null)",
  "create index `build_failures_state_build_id_index` on `build_failures` (`state`, `build_id`)",
];

const POSTGRESQL = [
  'alter table "steps" add "parent" int null, add "hidden" int not null default 0, add "attempts" text null, add "links" text null, add "statistics" text null, add "failing" text null',
  'create table "build_data" ("build_id" int not null, "name" varchar(255) not null, "step" int not null, "type" varchar(20) not null, "bytes" int not null, "value" text not null, primary key ("build_id", "name"))',
  'create table "build_failures" ("build_id" int not null, "state" varchar(20) not null, "made_at" bigint null, "summary" text null, primary key ("build_id"))',
  'create index "build_failures_state_build_id_index" on "build_failures" ("state", "build_id")',
];

/** Steps in groups, with attempts, links and figures; data of builds; why builds failed. */
export class Builds extends Migration {
  override up(): void {
    const sqlite = this.driver.constructor.name.startsWith("Sqlite");
    for (const sql of sqlite ? SQLITE : POSTGRESQL) this.addSql(sql);
  }
}
