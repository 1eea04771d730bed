import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { sql } from "kysely";
import { faults } from "../errors/catalogue.ts";
import type { Clock } from "../interfaces/clock.ts";
import { leaseState } from "../store/leases.ts";
import type { Store } from "../store/store.ts";
import type { LeaseKeeper } from "./lease-keeper.ts";
import { masterLease } from "./recovery.ts";
import { isAlive, processStart } from "./state-lock.ts";

/** Takes a master's lease, at once if the process that had it is dead, else when its time is over; returns its row. */
export async function becomeMaster(store: Store, leases: LeaseKeeper, name: string, clock: Clock): Promise<number> {
  const row = await store.read.selectFrom("masters").selectAll().where("name", "=", name).executeTakeFirst();
  const host = hostId();
  const [pid, start] = [process.pid, processStart(process.pid)];
  const dead = row?.host.startsWith(`${host} `) === true && !isAlive(row.pid, row.host.slice(host.length + 1));
  const deadline = Date.now() + leases.ttl * 1.5;
  for (;;) {
    const state = await leaseState(store, masterLease(name));
    const lease = await leases.hold(masterLease(name), dead || state?.owner === heirOf(name));
    if (lease) break;
    const elsewhere = row !== undefined && !row.host.startsWith(`${host} `);
    if (!elsewhere || Date.now() > deadline) {
      throw faults.masterRunning(
        name,
        `process ${row?.pid} on ${row?.host.split(" ")[0] ?? "another machine"}, heard of ${Math.round((leases.ttl - (state?.left ?? 0)) / 1_000)} s ago`,
      );
    }
    await new Promise((next) => setTimeout(next, 250));
  }
  const prefix = ownerPrefix(name);
  const facts = { host: `${host} ${start}`, pid, started_at: clock.now() };
  return store.write(async (tx) => {
    // What the dead process held besides: nobody prolongs it any more.
    await tx.db
      .updateTable("leases")
      .set({ owner: "", until_at: 0 })
      .where(sql<string>`substr(owner, 1, ${[...prefix].length})`, "=", prefix)
      .where("owner", "!=", leases.owner)
      .execute();
    const { id } = await tx.db
      .insertInto("masters")
      .values({ name, ...facts })
      .onConflict((conflict) => conflict.column("name").doUpdateSet(facts))
      .returning("id")
      .executeTakeFirstOrThrow();
    tx.event("master.started", { master: name });
    return id;
  });
}

/** Who owns the leases of this life of a master. */
export function ownerOf(name: string): string {
  return `${ownerPrefix(name)}${process.pid}-${randomBytes(6).toString("hex")}`;
}

/** Who owns the lease of a master that is being restarted, until it has started. */
export function heirOf(name: string): string {
  return `${ownerPrefix(name)}heir`;
}

/** What the owner's name begins with in leases of this master, in all its lives. */
function ownerPrefix(name: string): string {
  return `${name.length > 40 ? createHash("sha256").update(name).digest("hex").slice(0, 40) : name}#`;
}

/** Tells machines, and lives of one machine, apart. */
function hostId(): string {
  let boot = "";
  try {
    boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    // Not on this system; the name has to do.
  }
  return `${hostname()}/${boot}`;
}
