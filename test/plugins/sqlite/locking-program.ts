// Holds the lock of a database: locking-program.ts FILE [MODE]. Lets go when a line arrives; "often" does it twenty times by itself.
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { rawSqlite } from "./world.ts";

const [file = "", mode = ""] = process.argv.slice(2);
const database = rawSqlite(file, 10_000);
if (mode === "often") {
  for (let round = 0; round < 20; round += 1) {
    database.exec("begin immediate");
    console.log("held");
    await sleep(30);
    database.exec("rollback");
    await sleep(10);
  }
} else {
  // "everything": nobody else can even read it.
  if (mode === "everything") database.pragma("locking_mode = exclusive");
  database.exec("begin immediate; create table held (id integer)");
  console.log("held");
  await once(process.stdin, "data");
  database.exec("rollback");
}
database.close();
console.log("free");
process.stdin.destroy();
