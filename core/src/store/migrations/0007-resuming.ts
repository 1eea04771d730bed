import { Migration } from "@mikro-orm/migrations";

const SQLITE = [
  "alter table `builds` add column `plan` text null",
  "alter table `builds` add column `secrets` text null",
  "alter table `steps` add column `added` integer not null default 0",
  "alter table `step_calls` add column `kept` text null",
];

const POSTGRESQL = [
  'alter table "builds" add column "plan" varchar(64) null, add column "secrets" text null',
  'alter table "steps" add column "added" int not null default 0',
  'alter table "step_calls" add column "kept" text null',
];

/** What a build needs to go on after a restart of its master. */
export class Resuming extends Migration {
  override up(): void {
    const sqlite = this.driver.constructor.name.startsWith("Sqlite");
    for (const sql of sqlite ? SQLITE : POSTGRESQL) this.addSql(sql);
  }
}
