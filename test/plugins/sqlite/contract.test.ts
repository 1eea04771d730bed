import { runChecks } from "@belfry/testkit";
import { suite } from "uvu";
import { databaseContract } from "../database-contract.ts";
import { SqliteWorld } from "./world.ts";

const contract = suite("sqlite keeps the contract of a database");

for (const synchronous of ["full", "normal"] as const) {
  runChecks(
    contract,
    databaseContract(`synchronous ${synchronous}`, async (options) => {
      const world = await SqliteWorld.make();
      const connection = await world.open({ synchronous, ...options });
      return { connection, close: () => world[Symbol.asyncDispose]() };
    }),
  );
}

contract.run();
