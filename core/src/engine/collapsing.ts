import type { DistributionRules, RequestInfo } from "../interfaces/distribution.ts";
import type { Json } from "../interfaces/values.ts";
import type { LockNeed } from "../store/lock-book.ts";
import type { QueueRow } from "../store/queue.ts";
import type { Db } from "../store/tables.ts";
import type { HookKeeper } from "./hooks.ts";
import { requestInfos } from "./request-infos.ts";

/** Properties that tell where a request comes from, not what it builds. */
const ORIGINS = new Set(["scheduler", "owner", "owners", "reason"]);

/** Buildbot's rule for requests of one builder, and the same properties besides. */
export function isCompatible(a: RequestInfo, b: RequestInfo): boolean {
  if (a.sourceStamps.length !== b.sourceStamps.length) return false;
  const fromChanges = a.changes.length > 0;
  if (fromChanges !== b.changes.length > 0) return false;
  const stamps = a.sourceStamps.every((stamp) => {
    const other = b.sourceStamps.find(({ codebase }) => codebase === stamp.codebase);
    return (
      other !== undefined &&
      stamp.repository === other.repository &&
      stamp.branch === other.branch &&
      stamp.project === other.project &&
      stamp.patch === null &&
      other.patch === null &&
      (fromChanges || stamp.revision === other.revision)
    );
  });
  return stamps && propertiesText(a.properties) === propertiesText(b.properties);
}

function propertiesText(properties: Readonly<Record<string, Json>>): string {
  const entries = Object.entries(properties).filter(([name]) => !ORIGINS.has(name));
  return JSON.stringify(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/**
 * Which request is built when the turn of `turn` has come, and which are built with it. The newest
 * that is compatible is built, unless something is said against it that is not against `turn`.
 * `undefined` while a function has not answered.
 */
export async function findTogether(
  turn: QueueRow,
  rows: readonly QueueRow[],
  collapse: Exclude<DistributionRules["collapse"], undefined | false>,
  db: Db,
  hooks: HookKeeper,
  mayStart: (row: QueueRow) => Promise<LockNeed[] | undefined>,
): Promise<{ kept: QueueRow; needs: LockNeed[] | undefined; together: number[] } | undefined> {
  const infos = new Map((await requestInfos(db, rows)).map((info) => [info.id, info]));
  const fits = async (kept: QueueRow, other: QueueRow): Promise<boolean | undefined> => {
    const [a, b] = [infos.get(kept.id), infos.get(other.id)];
    if (!a || !b) return false;
    if (collapse === true) return isCompatible(a, b);
    const about = JSON.stringify([a.id, b.id]);
    const answer = await hooks.ask(turn.name, "collapse", about, () => collapse(a, b), asBoolean);
    return answer.state === "answer" ? answer.value : undefined;
  };

  let kept = turn;
  let needs: LockNeed[] | undefined;
  for (const newer of rows.filter((row) => row.id > turn.id).sort((a, b) => b.id - a.id)) {
    const fit = await fits(newer, turn);
    if (fit === undefined) return undefined;
    if (!fit) continue;
    needs = await mayStart(newer);
    if (needs) kept = newer;
    break;
  }
  const together: number[] = [];
  for (const other of rows) {
    if (other.id >= kept.id) continue;
    const fit = await fits(kept, other);
    if (fit === undefined) return undefined;
    if (fit) together.push(other.id);
  }
  return { kept, needs: kept === turn ? undefined : needs, together };
}

function asBoolean(value: unknown): boolean {
  if (typeof value === "boolean") return value;
  throw new Error("it has to answer true or false");
}
