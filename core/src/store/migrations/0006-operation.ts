import { Migration } from "@mikro-orm/migrations";

const SQLITE = [
  "create table `sweeps` (`name` text not null primary key, `begun_at` bigint not null, `ended_at` bigint null, `next_at` bigint not null, `removed` text not null, `error` text null)",
];

const POSTGRESQL = [
  'create table "sweeps" ("name" varchar(100) not null, "begun_at" bigint not null, "ended_at" bigint null, "next_at" bigint not null, "removed" text not null, "error" text null, primary key ("name"))',
];

/** When old history was last removed, and what it came to. */
export class Operation extends Migration {
  override up(): void {
    const sqlite = this.driver.constructor.name.startsWith("Sqlite");
    for (const sql of sqlite ? SQLITE : POSTGRESQL) this.addSql(sql);
  }
}
