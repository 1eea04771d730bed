import { runChecks } from "@belfry/testkit";
import { suite } from "uvu";
import { postgres, type TestPostgres } from "../../tools/postgres.ts";
import { databaseContract } from "../database-contract.ts";
import { PostgresWorld } from "./world.ts";

const contract = suite("postgres keeps the contract of a database");

// One server for all checks of this file, unless `npm test` has one for all files.
let server: Promise<TestPostgres> | undefined;

runChecks(
  contract,
  databaseContract("PostgreSQL", async (options) => {
    server ??= postgres();
    const world = await PostgresWorld.on(await server);
    return { connection: await world.open(options), close: () => world[Symbol.asyncDispose]() };
  }),
);

contract.after(async () => {
  await (await server)?.stop();
});

contract.run();
