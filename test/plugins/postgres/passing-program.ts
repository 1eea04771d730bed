// Opens the database at the address, uses it, and closes it: passing-program.ts URL. Then it must end by itself.
import { postgres } from "@belfry/postgres";
import { createPart } from "@belfry/testkit";
import { sql } from "kysely";

const connection = await createPart(postgres, { url: process.argv[2] ?? "" }).open({
  folder: "/",
  readOnly: false,
  signal: new AbortController().signal,
  note: () => {},
});
connection.doorbell.listen("a", () => {});
await connection.write((trx) => sql`create table passing (id integer)`.execute(trx));
await Promise.all(
  Array.from({ length: 30 }, (_, id) =>
    connection.write((trx) => sql`insert into passing values (${id})`.execute(trx)),
  ),
);
await sql`select * from passing`.execute(connection.read);
connection.doorbell.ring("a", "b");
await connection.close();
console.log("closed");
