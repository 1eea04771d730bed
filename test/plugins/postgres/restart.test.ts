import { until } from "@belfry/testkit";
import { sql } from "kysely";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { PostgresWorld } from "./world.ts";

const restart = suite("postgres when the server is restarted");

restart("five times under load, in order and by crashes: nothing is lost, nothing is there twice", async () => {
  await using world = await PostgresWorld.make({ private: true });
  const connection = await world.open();
  const other = await world.open();
  await connection.write(async (trx) => {
    await sql`create table entry (id integer, part integer)`.execute(trx);
    await sql`create table counter (value integer not null)`.execute(trx);
    await sql`insert into counter values (0)`.execute(trx);
  });
  const acknowledged: number[] = [];
  let next = 0;
  let over = false;
  let wakes = 0;
  other.doorbell.listen("entry", () => {
    wakes += 1;
  });
  const writers = Array.from({ length: 8 }, async () => {
    while (!over) {
      const id = next++;
      await connection.write(async (trx) => {
        await sql`insert into entry values (${id}, 1)`.execute(trx);
        await sql`update counter set value = value + 1`.execute(trx);
        await sql`insert into entry values (${id}, 2)`.execute(trx);
      });
      acknowledged.push(id);
      connection.doorbell.ring("entry");
    }
  });
  let reads = 0;
  const reader = (async () => {
    while (!over) {
      const { rows } = await sql<{ id: number; parts: number }>`
        select id, count(*) as parts from entry group by id having count(*) <> 2`.execute(connection.read);
      assert.equal(rows, []);
      reads += 1;
    }
  })();
  for (let round = 0; round < 5; round += 1) {
    const [writes, read, woken] = [acknowledged.length, reads, wakes];
    await until(
      () => acknowledged.length > writes + 50 && reads > read && wakes > woken,
      "work between restarts",
      60_000,
    );
    await world.server.restart(round % 2 === 0 ? "fast" : "immediate");
  }
  const [writes, woken] = [acknowledged.length, wakes];
  await until(() => acknowledged.length > writes + 50 && wakes > woken, "work after the last restart", 60_000);
  over = true;
  await Promise.all([...writers, reader]);
  const { rows } = await sql<{ id: number; parts: number }>`
    select id, count(*) as parts from entry group by id order by id`.execute(connection.read);
  assert.equal(
    rows.map((row) => row.id),
    acknowledged.toSorted((a, b) => a - b),
  );
  assert.equal(
    rows.filter((row) => row.parts !== 2),
    [],
  );
  const { rows: counted } = await sql<{ value: number }>`select value from counter`.execute(connection.read);
  assert.is(counted[0]?.value, acknowledged.length);
});

restart.run();
