import type { Json } from "../../interfaces/values.ts";
import type { LockAnswer } from "../answers.ts";
import type { CliCommand } from "../cli-command.ts";
import { EXIT } from "../exit-code.ts";
import { oneLine } from "../plain-text.ts";
import { timeText } from "../time-text.ts";

/** `belfry locks`: who holds the locks, and who waits for them. */
const locks: CliCommand = {
  name: "locks",
  summary: "list the locks, with who holds them and who waits",
  define: (command) => {
    command.argument("[lock]", "only the lock of this name");
  },
  async run(session, [lock]) {
    const answer = await session.call<{ items: LockAnswer[] }>("locks.list", lock === undefined ? {} : { lock });
    const now = Date.now();
    session.print(answer as unknown as Json, () =>
      answer.items.length === 0 ? ["There are no locks."] : answer.items.flatMap((item) => linesOf(item, now)),
    );
    return EXIT.fine;
  },
};

export default locks;

function linesOf({ name, kind, worker, maxCount, holders, queue }: LockAnswer, now: number): string[] {
  const where = kind === "master" ? "" : worker === null ? " on each worker" : ` on ${oneLine(worker, 60)}`;
  const head = `${oneLine(name, 60)}${where} (${maxCount} at a time)${holders.length === 0 ? ": free" : ""}`;
  const line = (claim: LockAnswer["queue"][number], verb: string) =>
    `  ${verb} ${whose(claim)}, ${claim.mode}${claim.count > 1 ? ` ${claim.count}` : ""}, for ${timeText(Math.max(0, now - claim.since))}`;
  return [head, ...holders.map((claim) => line(claim, "held by")), ...queue.map((claim) => line(claim, "wanted by"))];
}

function whose({ builder, request, number, step }: LockAnswer["queue"][number]): string {
  const name = oneLine(builder, 60);
  if (number === null) return `request ${request} for ${name}`;
  return `${name} #${number}${step === null ? "" : ` step ${step}`}`;
}
