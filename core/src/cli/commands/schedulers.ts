import { faults } from "../../errors/catalogue.ts";
import type { SchedulerWait } from "../../interfaces/scheduler.ts";
import type { CliCommand } from "../cli-command.ts";
import { EXIT } from "../exit-code.ts";
import { oneLine } from "../plain-text.ts";
import type { Session } from "../session.ts";
import { table } from "../table.ts";
import { dayText } from "../time-text.ts";

interface SchedulerAnswer {
  name: string;
  kind: string;
  builders: string[];
  wakeAt: number | null;
  disabled: { at: number; by: string; reason: string } | null;
  error: { message: string } | null;
  failures: number;
}

type Reason =
  | SchedulerWait
  | { reason: "scheduler-disabled"; at: number; by: string; text: string }
  | { reason: "scheduler-failing"; error: string; failures: number };

const ACTIONS = ["list", "why", "enable", "disable"];

/** `belfry schedulers list|why|enable|disable`. */
const schedulers: CliCommand = {
  name: "schedulers",
  summary: "list schedulers, tell what they wait for, enable and disable them",
  define: (command) => {
    command
      .argument("[action]", "list, why, enable or disable; default: list")
      .argument("[name]", "the scheduler's name, for the others")
      .option("--reason <text>", "enable, disable: why; others see it");
  },
  async run(session, positional, options) {
    const [action = "list", name] = positional as (string | undefined)[];
    if (!ACTIONS.includes(action)) throw faults.usage(`\`belfry schedulers\` knows ${ACTIONS.join(", ")}.`);
    if (action === "list") return list(session);
    if (name === undefined) throw faults.usage(`\`belfry schedulers ${action}\` needs the scheduler's name.`);
    if (action === "why") return why(session, name);
    const { reason } = options as { reason?: string };
    const answer = await session.call<{ scheduler: string; enabled: boolean; changed: boolean }>(
      `schedulers.${action}`,
      { scheduler: name, ...(reason === undefined ? {} : { reason }) },
    );
    const state = `${answer.changed ? "is" : "was already"} ${answer.enabled ? "enabled" : "disabled"}`;
    session.print({ ...answer }, () => [`The scheduler ${oneLine(name)} ${state}.`]);
    return EXIT.fine;
  },
};

export default schedulers;

async function list(session: Session): Promise<number> {
  const { items } = await session.call<{ items: SchedulerAnswer[] }>("schedulers.list", {});
  const rows = items.map((item) => [
    oneLine(item.name, 60),
    oneLine(item.kind, 40),
    oneLine(item.builders.join(", "), 40),
    oneLine(stateOf(item)),
  ]);
  session.print({ items: items.map((item) => ({ ...item })) }, () =>
    items.length === 0
      ? ["There are no schedulers."]
      : table(["SCHEDULER", "KIND", "BUILDERS", "STATE"], rows, session.columns),
  );
  return EXIT.fine;
}

function stateOf({ disabled, error, failures, wakeAt }: SchedulerAnswer): string {
  if (disabled) return `disabled by ${disabled.by}${disabled.reason === "" ? "" : `: ${disabled.reason}`}`;
  if (error) return `failing (${failures}): ${error.message}`;
  return wakeAt === null ? "" : `next ${dayText(wakeAt)}`;
}

async function why(session: Session, scheduler: string): Promise<number> {
  const answer = await session.call<{ scheduler: string; reasons: Reason[] }>("schedulers.why", { scheduler });
  session.print({ ...answer, reasons: answer.reasons.map((reason) => ({ ...reason })) }, () =>
    answer.reasons.length === 0
      ? [`The scheduler ${oneLine(scheduler)} has nothing to build.`]
      : [`The scheduler ${oneLine(scheduler)} waits:`, ...answer.reasons.map((reason) => `  - ${sentence(reason)}`)],
  );
  return EXIT.fine;
}

function sentence(reason: Reason): string {
  const changes = (count: number) => `${count} change${count === 1 ? "" : "s"}`;
  const branch = (name: string | null) => (name === null ? "changes without a branch" : oneLine(name, 100));
  switch (reason.reason) {
    case "scheduler-disabled":
      return oneLine(
        `${reason.by} disabled it at ${dayText(reason.at)}${reason.text === "" ? "" : `: ${reason.text}`}.`,
      );
    case "scheduler-failing":
      return oneLine(`It failed ${reason.failures} times in a row: ${reason.error}`);
    case "tree-stable-timer":
      return `Until ${dayText(reason.until)} for ${branch(reason.branch)} to become quiet (${changes(reason.changes)}).`;
    case "no-important-change":
      return `For an important change on ${branch(reason.branch)} (${changes(reason.changes)} so far).`;
    case "time":
      return `Until ${dayText(reason.until)}${reason.changes > 0 ? ` (${changes(reason.changes)} so far)` : ""}.`;
    case "upstream":
      return `For a buildset of ${oneLine(reason.schedulers.join(", "))}.`;
    default:
      return oneLine(JSON.stringify(reason));
  }
}
