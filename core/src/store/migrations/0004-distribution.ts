import { Migration } from "@mikro-orm/migrations";

const SQLITE = [
  "create table `locks` (`id` integer not null primary key autoincrement, `lock` text not null, `worker` text not null, `mode` text not null, `count` integer not null, `held` integer not null, `urgency` integer not null, `place` bigint not null, `request_id` integer not null, `build_id` integer not null, `step` integer not null, `asked_at` bigint not null, `held_at` bigint null)",
  "create index `locks_build_id_index` on `locks` (`build_id`)",
  "create index `locks_request_id_index` on `locks` (`request_id`)",
  "alter table `steps` add column `locks` integer not null default 0",
  "alter table `builders` add column `paused_reason` text null",
  "alter table `builders` add column `paused_by` text null",
  "alter table `builders` add column `paused_at` bigint null",
  "alter table `builders` add column `trouble` text null",
  "alter table `builders` add column `max_wait` bigint null",
  "alter table `build_requests` add column `expires_at` bigint null",
  "alter table `build_requests` add column `collapsed_into` integer null",
  "alter table `build_requests` add column `held` text null",
  "alter table `build_requests` add column `weighed` integer not null default 0",
  "drop index `build_requests_state_urgency_id_index`",
  "create index `build_requests_place_index` on `build_requests` (`state`, `urgency`, `id`, `builder_id`, `not_before`)",
  "create index `build_requests_state_not_before_index` on `build_requests` (`state`, `not_before`)",
  "create index `build_requests_state_expires_at_index` on `build_requests` (`state`, `expires_at`)",
  "create index `build_requests_collapsed_into_index` on `build_requests` (`collapsed_into`)",
];

const POSTGRESQL = [
  'create table "locks" ("id" serial primary key, "lock" varchar(200) not null, "worker" varchar(255) not null, "mode" varchar(20) not null, "count" int not null, "held" int not null, "urgency" int not null, "place" bigint not null, "request_id" int not null, "build_id" int not null, "step" int not null, "asked_at" bigint not null, "held_at" bigint null)',
  'create index "locks_build_id_index" on "locks" ("build_id")',
  'create index "locks_request_id_index" on "locks" ("request_id")',
  'alter table "steps" add column "locks" int not null default 0',
  'alter table "builders" add column "paused_reason" text null, add column "paused_by" text null, add column "paused_at" bigint null, add column "trouble" text null, add column "max_wait" bigint null',
  'alter table "build_requests" add column "expires_at" bigint null, add column "collapsed_into" int null, add column "held" text null, add column "weighed" int not null default 0',
  'drop index "build_requests_state_urgency_id_index"',
  'create index "build_requests_place_index" on "build_requests" ("state", "urgency", "id", "builder_id", "not_before")',
  'create index "build_requests_state_not_before_index" on "build_requests" ("state", "not_before")',
  'create index "build_requests_state_expires_at_index" on "build_requests" ("state", "expires_at")',
  'create index "build_requests_collapsed_into_index" on "build_requests" ("collapsed_into")',
];

const ROWS = ["insert into counters (name, value) values ('locks', 0)"];

/** Locks, and what the distributor has to remember of builders and requests. */
export class Distribution extends Migration {
  override up(): void {
    const sqlite = this.driver.constructor.name.startsWith("Sqlite");
    for (const sql of [...(sqlite ? SQLITE : POSTGRESQL), ...ROWS]) this.addSql(sql);
  }
}
