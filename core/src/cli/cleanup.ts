import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Generation } from "../config/generation.ts";
import { KEPT, nothingSwept, RETENTION_LEASE, Sweep, type Swept } from "../engine/retention.ts";
import { type LastSweep, recordSweep } from "../engine/retention-keeper.ts";
import { systemClock } from "../engine/system-clock.ts";
import { faults } from "../errors/catalogue.ts";
import { createFileLogStore } from "../logs/file-log-store.ts";
import { releaseLeases, takeLease } from "../store/leases.ts";
import type { Store } from "../store/store.ts";
import { EXIT } from "./exit-code.ts";
import { oneLine } from "./plain-text.ts";
import type { Session } from "./session.ts";

const LOOK_EVERY = 100;
/** Longer than a cleanup takes; it is given back at the end. */
const LEASE_TTL = 6 * 3_600_000;

/** Lets the running master remove old history, and waits for it. */
export async function cleanupByMaster(session: Session, dryRun: boolean): Promise<number> {
  type Status = LastSweep & { removed: Swept; running: Swept | null };
  const before = await session.call<Status>("retention.status");
  const answer = await session.call<{ begun: boolean; would: Swept | null }>("retention.sweep", { dryRun });
  if (answer.would) return report(session, answer.would, true);
  if (!answer.begun) return report(session, nothingSwept(), false);
  for (;;) {
    await sleep(LOOK_EVERY, undefined, { signal: session.signal });
    const status = await session.call<Status>("retention.status");
    if (status.nextAt === 0 || status.running !== null || status.begunAt === before.begunAt) continue;
    if (status.error === null) return report(session, status.removed, false);
    session.print({ error: status.error }, () => [`It stopped with: ${oneLine(status.error ?? "", 500)}`]);
    return EXIT.bad;
  }
}

/** Removes old history while no master runs here. */
export async function cleanup(
  session: Session,
  store: Store,
  generation: Generation,
  dryRun: boolean,
): Promise<number> {
  const kept = generation.retention;
  if (kept === false) return report(session, nothingSwept(), dryRun);
  await store.migrate();
  const logStore = generation.logStore?.part ?? createFileLogStore({ folder: join(session.stateFolder, "logs") });
  const owner = `cleanup#${randomUUID()}`;
  const lease = dryRun ? undefined : await takeLease(store, RETENTION_LEASE, owner, LEASE_TTL);
  if (!dryRun && !lease) throw faults.cleanupElsewhere();
  await logStore.start?.();
  try {
    const begun = Date.now();
    const sweep = new Sweep(kept, { store, clock: systemClock, logStore, lease, signal: session.signal });
    const swept = await sweep.run();
    if (lease) await recordSweep(store, lease, { begun, every: kept.every ?? KEPT.every, swept });
    return report(session, swept, dryRun);
  } finally {
    await logStore.stop?.();
    await releaseLeases(store, owner);
  }
}

function report(session: Session, swept: Swept, dryRun: boolean): number {
  session.print({ dryRun, ...swept }, () => {
    const { builds, bytes, changes, events, audit } = swept;
    const parts = [
      `${builds} builds`,
      `${Math.round(bytes / 1e6)} MB of their logs`,
      `${changes} changes`,
      `${events} events`,
      `${audit} entries of the audit`,
    ];
    return [`${dryRun ? "It would remove" : "Removed"} ${parts.join(", ")}.`];
  });
  return EXIT.fine;
}
