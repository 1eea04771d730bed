import { BelfryError } from "./belfry-error.ts";

/** What somebody gave, short enough for a message. */
const cut = (text: string, most = 200) => (text.length > most ? `${text.slice(0, most)}…` : text);

type Details = readonly { path: string; message: string; code?: string }[];

/** Core's errors, all in one place, so that a reader sees every way in which Belfry can refuse. */
export const faults = {
  partTwice: (kind: string, first: string, second: string) =>
    new BelfryError("BELFRY_PART_TWICE", {
      what: `The part "${kind}" is offered by two plugins.`,
      why: `"${first}" and "${second}" both list it.`,
      fix: "Define it once for each plugin.",
    }),
  configNotFound: (file: string) =>
    new BelfryError("BELFRY_CONFIG_NOT_FOUND", {
      what: `There is no configuration at ${file}.`,
      why: "Belfry reads belfry.config.ts (or .js, .mjs) in this folder unless --config names another file.",
      fix: "Run `belfry init` to make one, or give its path with --config.",
    }),
  configUnreadable: (file: string, cause: unknown, reason: string) =>
    new BelfryError(
      "BELFRY_CONFIG_UNREADABLE",
      {
        what: `The configuration ${file} cannot be loaded.`,
        why: `It stopped with: ${/[.!?]$/.test(reason) ? reason : `${reason}.`}`,
        fix: "Correct the file; `belfry check` loads it without starting anything.",
      },
      { cause },
    ),
  configInvalid: (details: Details) =>
    new BelfryError(
      "BELFRY_CONFIG_INVALID",
      {
        what: `The configuration has ${details.length === 1 ? "a fault" : `${details.length} faults`}.`,
        why: details.map((fault) => `${fault.path || "configuration"}: ${fault.message}`).join("\n"),
        fix: "Correct what is named; nothing was started.",
      },
      { details },
    ),
  reloadImpossible: () =>
    new BelfryError("BELFRY_RELOAD_IMPOSSIBLE", {
      what: "The configuration cannot be loaded again.",
      why: "This master was given its configuration by a program, or it does not run yet, so there is no file to load.",
      fix: "Start the master with `belfry start`, or give `load` to the Master.",
    }),
  reloadNeedsRestart: (names: readonly string[]) =>
    new BelfryError("BELFRY_RELOAD_RESTART", {
      what: `The configuration was not loaded: ${names.join(", ")} cannot be changed while the master runs.`,
      why: "Everything that runs stands on them.",
      fix: "Stop the master with `belfry stop`, and start it again; or put the old value back, and reload.",
    }),
  reloadFailed: (reason: string, cause: unknown) =>
    new BelfryError(
      "BELFRY_RELOAD_FAILED",
      {
        what: "The configuration was not loaded: a part of it could not be started.",
        why: `It failed with: ${/[.!?]$/.test(reason) ? reason : `${reason}.`}`,
        fix: "Correct it, and reload; what ran before goes on.",
      },
      { cause },
    ),
  pluginRefused: (name: string, reason: string, cause?: unknown) =>
    new BelfryError(
      "BELFRY_PLUGIN_REFUSED",
      {
        what: `The plugin "${name}" cannot be used.`,
        why: reason,
        fix: "Install a version of it that fits this Belfry, or take it out of the configuration.",
      },
      { cause },
    ),
  databaseNewer: (unknown: readonly string[]) =>
    new BelfryError("BELFRY_DATABASE_NEWER", {
      what: "This database was made by a newer Belfry.",
      why: `It has migrations that this version does not know: ${unknown.join(", ")}.`,
      fix: "Run the newer version again, or restore a backup from before the upgrade.",
    }),
  databaseInUse: (process: number) =>
    new BelfryError("BELFRY_DATABASE_IN_USE", {
      what: "The database is in use.",
      why: `A master runs here, process ${process}; while it does, nobody else touches its database.`,
      fix: "Stop it with `belfry stop`, run this again, and start it again.",
    }),
  cleanupElsewhere: () =>
    new BelfryError("BELFRY_CLEANUP_ELSEWHERE", {
      what: "Old history cannot be removed here.",
      why: "Another master of this database removes it.",
      fix: "Run `belfry db cleanup` where that master runs, or stop it first.",
    }),
  copySourceOld: (pending: readonly string[]) =>
    new BelfryError("BELFRY_COPY_SOURCE_OLD", {
      what: "The database cannot be copied yet.",
      why: `It is older than this Belfry; these migrations have not been run: ${pending.join(", ")}.`,
      fix: "Run `belfry db upgrade` with the configuration of the database that is copied, and copy it then.",
    }),
  copySourceUsed: (master: string) =>
    new BelfryError("BELFRY_COPY_SOURCE_USED", {
      what: "The database cannot be copied now.",
      why: `The master "${master}" uses it, and what it writes meanwhile would be missing in the copy.`,
      fix: "Stop all masters of this database, wait till their time is over (some 15 seconds if they were killed), and copy it then.",
    }),
  copyTargetUsed: (table: string) =>
    new BelfryError("BELFRY_COPY_TARGET_USED", {
      what: "There is something in the database that should be copied to.",
      why: `Its table "${table}" has rows; two histories cannot be made one.`,
      fix: "Give an empty database. If an earlier copy was broken off, remove what it left: the file, or the database on the server.",
    }),
  copyDiffers: (table: string, source: number, target: number) =>
    new BelfryError("BELFRY_COPY_DIFFERS", {
      what: "The copy is not whole; do not use it.",
      why: `The table "${table}" has ${source} rows, and ${target} in the copy: somebody wrote to one of the databases meanwhile.`,
      fix: "Stop all masters of both databases, empty the one that is copied to, and copy again.",
    }),
  backupExists: (file: string) =>
    new BelfryError("BELFRY_BACKUP_EXISTS", {
      what: "The backup was not made.",
      why: `There is something at ${file}, and a backup replaces nothing.`,
      fix: "Give a file that is not there yet, or move the old one away.",
    }),
  backupFailed: (file: string, cause: unknown) =>
    new BelfryError(
      "BELFRY_BACKUP_FAILED",
      {
        what: `The backup ${file} was not made.`,
        why: `Writing it failed: ${cause instanceof Error ? cause.message : String(cause)}.`,
        fix: "Make sure that its folder exists, may be written and has room for the whole database.",
      },
      { cause },
    ),
  backupElsewhere: (command: string) =>
    new BelfryError("BELFRY_BACKUP_ELSEWHERE", {
      what: "This database is backed up by its own tools.",
      why: "It is on a server, whose tools make a consistent copy while masters write.",
      fix: `Run: ${command}. To go over to another database, use \`belfry db copy\`.`,
    }),
  databaseForeign: () =>
    new BelfryError("BELFRY_DATABASE_FOREIGN", {
      what: "This database has tables, but not Belfry's.",
      why: "Tables named like Belfry's exist without its list of migrations.",
      fix: "Give Belfry an empty database of its own.",
    }),
  masterRunning: (name: string, where: string) =>
    new BelfryError("BELFRY_MASTER_RUNNING", {
      what: `A master named "${name}" is running already.`,
      why: `It is ${where}.`,
      fix: "Stop it with `belfry stop`, or give this master another `name` in its configuration.",
    }),
  restartFailed: () =>
    new BelfryError("BELFRY_RESTART_FAILED", {
      what: "The master has stopped and did not start again.",
      why: "Nobody has held its state folder for half a minute. The reason is on its output, or the last thing in its master.log.",
      fix: "Look there, and start it with `belfry start`; builds that could have gone on are kept for two minutes and built again after that.",
    }),
  masterStopping: () =>
    new BelfryError("BELFRY_MASTER_STOPPING", {
      what: "The master is stopping.",
      why: "Nothing more will happen in this life of it, so there is nothing to wait for.",
      fix: "Ask again when it has been started again; positions stay valid.",
    }),
  masterNotRunning: (socket: string) =>
    new BelfryError("BELFRY_MASTER_NOT_RUNNING", {
      what: "No master is running here.",
      why: `Nobody answers at ${socket}.`,
      fix: "Start it with `belfry start`, or name its folder with --state.",
    }),
  engineAway: (method: string, socket: string, cause: unknown) =>
    new BelfryError(
      "BELFRY_ENGINE_AWAY",
      {
        what: `"${method}" cannot be carried out now.`,
        why: `The process that has the engine has to do it, and it does not answer at ${socket}. If it ended in the middle of this call, it may have done it.`,
        fix: "Start it with `belfry start --roles engine`, or ask the master that has the engine where it runs.",
      },
      { cause },
    ),
  callerBound: (method: string) =>
    new BelfryError("BELFRY_CALLER_BOUND", {
      what: `"${method}" cannot be passed on to the process that has the engine.`,
      why: "What this caller may see is known by a function of a plugin, which is in this process only.",
      fix: "Use a token, or let one process have both roles.",
    }),
  databaseUnready: (pending: readonly string[]) =>
    new BelfryError("BELFRY_DATABASE_UNREADY", {
      what: "This process cannot start yet.",
      why: `The database lacks ${pending.join(", ")}, and a process without an engine makes no tables.`,
      fix: "Start the process that has the engine first: `belfry start --roles engine`.",
    }),
  socketForbidden: (socket: string) =>
    new BelfryError("BELFRY_SOCKET_FORBIDDEN", {
      what: "The master may not be asked by this user.",
      why: `Its socket ${socket} belongs to another user; who can open it is the administrator.`,
      fix: "Run the command as the user that runs the master, or ask over HTTP with a token.",
    }),
  folderUnusable: (folder: string, cause: unknown) =>
    new BelfryError(
      "BELFRY_FOLDER_UNUSABLE",
      {
        what: `Nothing can be written to ${folder}.`,
        why: `The system refuses it: ${(cause as NodeJS.ErrnoException).code ?? "unknown reason"}.`,
        fix: "Name a folder that this user may write to.",
      },
      { cause },
    ),
  stateFolder: (folder: string, cause: unknown) =>
    new BelfryError(
      "BELFRY_STATE_FOLDER",
      {
        what: `The master's folder ${folder} cannot be used.`,
        why: `The system refuses it: ${(cause as NodeJS.ErrnoException).code ?? "unknown reason"}.`,
        fix: "Name a folder that this user may write to with --state.",
      },
      { cause },
    ),
  socketPath: (path: string) =>
    new BelfryError("BELFRY_SOCKET_PATH", {
      what: "The master's socket cannot be made.",
      why: `The path ${path} is longer than this system allows for sockets (about 100 characters).`,
      fix: "Put the state folder somewhere shorter with --state.",
    }),
  leaseLost: (name: string) =>
    new BelfryError(
      "BELFRY_LEASE_LOST",
      {
        what: `This master no longer holds the lease "${name}".`,
        why: "Another master took it over, because this one did not prolong it in time.",
        fix: "Nothing to do; what it had begun was not written. If it happens often, look for a machine that is overloaded or was suspended.",
      },
      { result: "retry" },
    ),
  buildsetTwice: (externalId: string) =>
    new BelfryError("BELFRY_BUILDSET_TWICE", {
      what: "A buildset cannot be added.",
      why: `There is one with the external id "${externalId}" already, and such ids are unique.`,
      fix: "Give each buildset an id of its own, or none.",
    }),
  builderUnknown: (names: readonly string[]) =>
    new BelfryError("BELFRY_BUILDER_UNKNOWN", {
      what: `There is no builder named ${cut(names.map((name) => `"${name}"`).join(", "), 1_000)}.`,
      why: "The running configuration has none of that name.",
      fix: "`belfry builders` lists the names.",
    }),
  budgetSpent: (method: string, seconds: number) =>
    new BelfryError(
      "BELFRY_BUDGET_SPENT",
      {
        what: `"${method}" cannot be called so often.`,
        why: "It costs the master much, and the budget of this client for such calls is spent.",
        fix: `Try again in ${seconds} seconds, or ask for less; the administrator sets \`access.budget\` in the configuration.`,
      },
      { details: [{ path: "retryAfterSeconds", message: String(seconds) }] },
    ),
  notFound: (noun: string, which: string) =>
    new BelfryError("BELFRY_NOT_FOUND", {
      what: `There is no ${noun} ${cut(which)}.`,
      why: "It never existed, was removed, or you may not see it.",
      fix: `List what there is, and check the spelling or the number.`,
    }),
  methodUnknown: (name: string) =>
    new BelfryError("BELFRY_METHOD_UNKNOWN", {
      what: `There is no method "${name.slice(0, 100)}".`,
      why: "No part of this master offers it.",
      fix: "`api.methods` lists those there are.",
    }),
  paramsInvalid: (method: string, details: Details) =>
    new BelfryError(
      "BELFRY_PARAMS_INVALID",
      {
        what: `The parameters of "${method}" cannot be used.`,
        why: `${details.map((fault) => `${fault.path || "parameters"}: ${fault.message}`).join("; ")}.`,
        fix: "`api.methods` describes the parameters.",
      },
      { details },
    ),
  /** `there` is what the caller may not control, if it has the scope for other things. */
  forbidden: (method: string, scope: string, caller: string, there?: string) =>
    new BelfryError("BELFRY_FORBIDDEN", {
      what: `"${method}" is not allowed${there === undefined ? "" : " there"}.`,
      why:
        there === undefined
          ? `It needs the scope "${scope}", which ${caller === "anonymous" ? "a caller without a token" : `"${caller}"`} does not have.`
          : `"${caller}" may control some builders, but not ${there}.`,
      fix:
        there === undefined
          ? "Use a token that has it, or sign in as somebody who has; the administrator makes a token with `belfry token add`."
          : "Ask somebody who may, or have the administrator widen the rule that gives you control.",
    }),
  recordGone: (key: string) =>
    new BelfryError("BELFRY_RECORD_GONE", {
      what: `Nothing was written: the record "${key}" is not there any more.`,
      why: "Somebody else has taken it meanwhile, or its time is over.",
      fix: "Read again what is there, and decide anew.",
    }),
  internal: (number: string, cause: unknown) =>
    new BelfryError(
      "BELFRY_INTERNAL",
      {
        what: "Something went wrong inside the master.",
        why: "This is a fault of Belfry or of a plugin, not of the call.",
        fix: `Look for ${number} in the master's log, and report it.`,
      },
      { cause },
    ),
  databaseAway: (cause: unknown) =>
    new BelfryError(
      "BELFRY_DATABASE_AWAY",
      {
        what: "The master's database does not answer.",
        why: "Its server is away or was restarted; the reason is in the master's log.",
        fix: "Try again later. Whether what you asked for was done can be looked up then.",
      },
      { cause },
    ),
  secretUnknown: (name: string) =>
    new BelfryError("BELFRY_SECRET_UNKNOWN", {
      what: `There is no secret named "${name}".`,
      why: "None of the configured secret providers knows it.",
      fix: "Add it to one of them, or correct the name in the configuration.",
    }),
  secretFailed: (name: string, cause: unknown) =>
    new BelfryError(
      "BELFRY_SECRET_FAILED",
      {
        what: `The secret "${name}" cannot be read.`,
        why: "Its provider failed; the reason is in the master's log.",
        fix: "Repair the provider, then rebuild.",
      },
      { cause },
    ),
  stateUnreadable: (owner: string, wrote: number, reads: number) =>
    new BelfryError("BELFRY_STATE_UNREADABLE", {
      what: `What "${owner}" kept in the database cannot be read.`,
      why: `It was written by version ${wrote} of its format; the installed plugin reads version ${reads} and declares no way from there.`,
      fix: "Install a version of the plugin that reads it.",
    }),
  schedulerCannotForce: (name: string) =>
    new BelfryError("BELFRY_SCHEDULER_CANNOT_FORCE", {
      what: `The scheduler "${name}" cannot be forced.`,
      why: "Its kind has no `force`.",
      fix: "Use a scheduler of kind schedulers.force; `belfry force` names those there are.",
    }),
  schedulerCannotTrigger: (name: string) =>
    new BelfryError("BELFRY_SCHEDULER_CANNOT_TRIGGER", {
      what: `The scheduler "${name}" cannot be triggered by a step.`,
      why: "Its kind has no `trigger`.",
      fix: "Use a scheduler of kind schedulers.triggerable.",
    }),
  schedulerDisabled: (name: string, by: string, reason: string) =>
    new BelfryError(
      "BELFRY_SCHEDULER_DISABLED",
      {
        what: `The scheduler "${name}" is disabled.`,
        why: `It was disabled by ${cut(by)}${reason === "" ? "" : `, who says "${cut(reason)}"`}.`,
        fix: "Enable it with `belfry schedulers enable`, or leave it be.",
      },
      { result: "skipped" },
    ),
  requestEnded: (id: number) =>
    new BelfryError("BELFRY_REQUEST_ENDED", {
      what: `Request ${id} cannot be cancelled.`,
      why: "It has ended already.",
      fix: "Nothing to do.",
    }),
  requestNotWaiting: (id: number) =>
    new BelfryError("BELFRY_REQUEST_NOT_WAITING", {
      what: `Request ${id} does not wait any more.`,
      why: "It is being built or has ended.",
      fix: "Nothing; `belfry why` shows those that wait.",
    }),
  buildEnded: (id: number) =>
    new BelfryError("BELFRY_BUILD_ENDED", {
      what: `Build ${id} cannot be stopped.`,
      why: "It has ended already.",
      fix: "Nothing to do.",
    }),
  cursorInvalid: () =>
    new BelfryError("BELFRY_CURSOR_INVALID", {
      what: "This cursor or position cannot be used.",
      why: "It is not one that this master gave out, or it belongs to another query.",
      fix: "Begin again without a cursor.",
    }),
  positionAhead: (newest: string) =>
    new BelfryError("BELFRY_POSITION_AHEAD", {
      what: "This position lies in the future.",
      why: `The newest event is at ${newest}; the position may come from another database.`,
      fix: `Begin again at ${newest}.`,
    }),
  lockInvalid: (owner: string, reason: string) =>
    new BelfryError("BELFRY_LOCK_INVALID", {
      what: `The locks of ${owner} cannot be used.`,
      why: `${reason}.`,
      fix: "Correct what computes them; the locks there are stand in `locks` of the configuration.",
    }),
  lockDeadlock: (locks: readonly string[]) =>
    new BelfryError(
      "BELFRY_LOCK_DEADLOCK",
      {
        what: `The step would wait for ever for the lock ${locks.map((lock) => `"${lock}"`).join(", ")}.`,
        why: "Who holds it waits for a lock that this build holds; the build is given up and built again.",
        fix: "Have all builders take these locks in the same order, or all of them at once.",
      },
      { result: "retry" },
    ),
  stepGone: () =>
    new BelfryError("BELFRY_STEP_OVER", {
      what: "The step is over.",
      why: "It used its context after `run` had settled.",
      fix: "Await everything that a step starts before it returns.",
    }),
  stepStuck: (name: string) =>
    new BelfryError("BELFRY_STEP_STUCK", {
      what: `The step "${name}" did not end after it was told to.`,
      why: "30 seconds after its signal aborted, `run` had not settled.",
      fix: "Make the step listen to `ctx.signal`.",
    }),
  propertyMissing: (name: string) =>
    new BelfryError("BELFRY_PROPERTY_MISSING", {
      what: `The property "${name}" is not set.`,
      why: "An option of this step is computed from it, and no earlier step, change, scheduler or builder has set it.",
      fix: 'Set it before, or give a fallback: property("NAME", fallback).',
    }),
  resultInvalid: (name: string) =>
    new BelfryError("BELFRY_STEP_RESULT", {
      what: `The step "${name}" gave no usable result.`,
      why: "`run` has to resolve with { result } where result is one of success, warnings, failure, skipped, exception, retry, cancelled.",
      fix: "Correct the step.",
    }),
  stepsRefused: (details: Details) =>
    new BelfryError(
      "BELFRY_STEPS_REFUSED",
      {
        what: "The steps that a step wanted to add to its build cannot be used.",
        why: cut(details.map((fault) => `${fault.path}: ${fault.message}`).join("\n"), 2_000),
        fix: "Correct what the step makes them from; none of them was added.",
      },
      { details },
    ),
  linkRefused: (why: string) =>
    new BelfryError("BELFRY_LINK_REFUSED", {
      what: "A link cannot be shown with this step.",
      why,
      fix: "Give a name and an address that begins with http:, https: or mailto:.",
    }),
  statisticRefused: (why: string) =>
    new BelfryError("BELFRY_STATISTIC_REFUSED", {
      what: "A figure cannot be kept with this step.",
      why,
      fix: "Give a name of at most 100 characters and a finite number.",
    }),
  buildDataRefused: (name: string, why: string) =>
    new BelfryError("BELFRY_BUILD_DATA_REFUSED", {
      what: `The build data "${cut(name, 100)}" cannot be kept.`,
      why,
      fix: "Keep what is large as an artifact or in a log, and a summary of it here.",
    }),
  nothingToRebuild: (buildset: number) =>
    new BelfryError("BELFRY_NOTHING_TO_REBUILD", {
      what: `There is nothing to build again in buildset ${buildset}.`,
      why: "None of its requests has ended as failure or exception.",
      fix: "Rebuild a single build with `builds.rebuild`, or wait for the end of those that run.",
    }),
  changeInvalid: (details: Details) =>
    new BelfryError(
      "BELFRY_CHANGE_INVALID",
      {
        what: "A change cannot be stored.",
        why: details.map((fault) => `${fault.path}: ${fault.message}`).join("; "),
        fix: "Correct the change source or the program that sends it.",
      },
      { details },
    ),
  transportTooLarge: (limit: number) =>
    new BelfryError("BELFRY_MESSAGE_TOO_LARGE", {
      what: "A message to the master's socket is too large.",
      why: `The limit is ${limit} bytes.`,
      fix: "Ask for less at once.",
    }),
  usage: (reason: string) =>
    new BelfryError("BELFRY_USAGE", {
      what: "The command line cannot be used.",
      why: reason,
      fix: "`belfry help` shows the commands and their options.",
    }),
  tokenTwice: (name: string) =>
    new BelfryError("BELFRY_TOKEN_TWICE", {
      what: `There is a token named "${name}" already.`,
      why: "Names of tokens are unique, also of revoked ones, so that the record of who did what stays clear.",
      fix: "Choose another name.",
    }),
  simulationInput: (file: string, details: Details, cause?: unknown) =>
    new BelfryError(
      "BELFRY_SIMULATION_INPUT",
      {
        what: `The file ${cut(file)} cannot be used for a simulation.`,
        why: details.map((fault) => (fault.path === "" ? fault.message : `${fault.path}: ${fault.message}`)).join("\n"),
        fix: "Correct what is named; nothing was simulated.",
      },
      { details, cause },
    ),
  simulationHistory: (reason: string, cause?: unknown) =>
    new BelfryError(
      "BELFRY_SIMULATION_HISTORY",
      {
        what: "What the master has recorded cannot be read.",
        why: /[.!?]$/.test(reason) ? reason : `${reason}.`,
        fix: "Name the master's folder with --state, or simulate written changes with --changes.",
      },
      { cause },
    ),
  simulationDatabase: (name: string) =>
    new BelfryError("BELFRY_SIMULATION_DATABASE", {
      what: "There is no database to simulate in.",
      why: `A simulation needs an empty one for a while, which "${name}" does not make, nor does any other plugin of the configuration.`,
      fix: "Install @belfry/sqlite and list it in the `plugins` of the configuration; `database` may stay as it is.",
    }),
  simulationStuck: (name: string, time: string) =>
    new BelfryError("BELFRY_SIMULATION_STUCK", {
      what: "The simulation does not get on.",
      why: `At ${time} "${name}" wanted to look again and again without time going by.`,
      fix: "Look at that part of the configuration: in a real master it would never rest either.",
    }),
};
