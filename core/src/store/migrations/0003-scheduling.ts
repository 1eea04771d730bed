import { Migration } from "@mikro-orm/migrations";

const SQLITE = [
  "alter table `schedulers` add column `disabled` text null",
  "alter table `schedulers` add column `enabled_at` bigint null",
  "alter table `schedulers` add column `skips` text null",
  "alter table `buildsets` add column `parent_build` integer null",
  "alter table `buildsets` add column `parent_step` integer null",
  "alter table `buildsets` add column `ends_with_parent` integer null",
  "create index `buildsets_parent_build_index` on `buildsets` (`parent_build`)",
];

const POSTGRESQL = [
  'alter table "schedulers" add column "disabled" text null, add column "enabled_at" bigint null, add column "skips" text null',
  'alter table "buildsets" add column "parent_build" int null, add column "parent_step" int null, add column "ends_with_parent" int null',
  'create index "buildsets_parent_build_index" on "buildsets" ("parent_build")',
];

/** Schedulers that are disabled, and buildsets that a step began. */
export class Scheduling extends Migration {
  override up(): void {
    const sqlite = this.driver.constructor.name.startsWith("Sqlite");
    for (const sql of sqlite ? SQLITE : POSTGRESQL) this.addSql(sql);
  }
}
