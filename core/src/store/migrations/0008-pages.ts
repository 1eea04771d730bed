import { Migration } from "@mikro-orm/migrations";

/** For lists of what a builder finished till some time, however rarely it builds. */
export class Pages extends Migration {
  override up(): void {
    const sqlite = this.driver.constructor.name.startsWith("Sqlite");
    const name = "builds_builder_id_finished_at_id_index";
    this.addSql(
      sqlite
        ? `create index \`${name}\` on \`builds\` (\`builder_id\`, \`finished_at\`, \`id\`)`
        : `create index "${name}" on "builds" ("builder_id", "finished_at", "id")`,
    );
  }
}
