import type { CliCommand } from "./cli-command.ts";

type Load = () => Promise<{ default: CliCommand }>;

/** The commands of core, each loaded only when it is wanted, so that `belfry start` starts fast. */
export const COMMANDS: Readonly<Record<string, Load>> = {
  init: () => import("./commands/init.ts"),
  start: () => import("./commands/start.ts"),
  stop: () => import("./commands/stop.ts"),
  restart: () => import("./commands/restart.ts"),
  reload: () => import("./commands/reload.ts"),
  plan: () => import("./commands/plan.ts"),
  check: () => import("./commands/check.ts"),
  force: () => import("./commands/force.ts"),
  watch: () => import("./commands/watch.ts"),
  log: () => import("./commands/log.ts"),
  "why-failed": () => import("./commands/why-failed.ts"),
  why: () => import("./commands/why.ts"),
  builds: () => import("./commands/builds.ts"),
  locks: () => import("./commands/locks.ts"),
  builders: () => import("./commands/builders.ts"),
  schedulers: () => import("./commands/schedulers.ts"),
  pause: () => import("./commands/pause.ts"),
  resume: () => import("./commands/resume.ts"),
  changes: () => import("./commands/changes.ts"),
  requests: () => import("./commands/requests.ts"),
  cancel: () => import("./commands/cancel.ts"),
  priority: () => import("./commands/priority.ts"),
  workers: () => import("./commands/workers.ts"),
  sources: () => import("./commands/sources.ts"),
  sendchange: () => import("./commands/sendchange.ts"),
  simulate: () => import("./commands/simulate.ts"),
  plugins: () => import("./commands/plugins.ts"),
  api: () => import("./commands/api.ts"),
  token: () => import("./commands/token.ts"),
  doctor: () => import("./commands/doctor.ts"),
  completion: () => import("./commands/completion.ts"),
  db: () => import("./commands/db.ts"),
};

export async function loadCommands(names: readonly string[]): Promise<CliCommand[]> {
  return Promise.all(names.map(async (name) => (await (COMMANDS[name] as Load)()).default));
}
