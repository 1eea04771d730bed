// Writes without end: writing-program.ts FOLDER FIRST. Prints the number of each write that was acknowledged.

import { sqlite } from "@belfry/sqlite";
import { createPart } from "@belfry/testkit";

const [folder = "", first = "0"] = process.argv.slice(2);
const connection = await createPart(sqlite, {}).open({
  folder,
  readOnly: false,
  signal: new AbortController().signal,
  note: () => {},
});
let next = Number(first);
const writer = async (): Promise<void> => {
  for (;;) {
    const id = next++;
    await connection.write(async (trx) => {
      await trx.insertInto("entry").values({ id, part: 1 }).execute();
      await trx.insertInto("entry").values({ id, part: 2 }).execute();
    });
    process.stdout.write(`${id}\n`);
  }
};
await Promise.all(Array.from({ length: 8 }, writer));
