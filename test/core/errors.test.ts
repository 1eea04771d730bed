import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { EXIT } from "../../core/src/cli/exit-code.ts";
import type { BelfryError } from "../../core/src/errors/belfry-error.ts";
import { faults } from "../../core/src/errors/catalogue.ts";
import { logFaults } from "../../core/src/logs/errors.ts";
import { root, sourcesOf } from "../tools/packages.ts";

const catalogue = suite("core's catalogue of errors");

const all = { ...faults, ...logFaults };
type Samples = { [K in keyof typeof all]: Parameters<(typeof all)[K]> };

const cause = Object.assign(new Error("no"), { code: "EACCES" });
const details = [
  { path: "builders[0].name", message: "expected text" },
  { path: "", message: "expected an object" },
];

/** What each error is made with here. A new one belongs here, or the type check fails. */
const SAMPLES: Samples = {
  partTwice: ["shell", "one", "two"],
  configNotFound: ["belfry.config.ts"],
  configUnreadable: ["belfry.config.ts", cause, "x is not defined"],
  configInvalid: [details],
  reloadImpossible: [],
  reloadNeedsRestart: [["database"]],
  reloadFailed: ["the port is in use", cause],
  pluginRefused: ["one", "It is there twice."],
  databaseNewer: [["0009-more"]],
  cleanupElsewhere: [],
  copySourceOld: [["0009-more"]],
  copySourceUsed: ["main"],
  copyTargetUsed: ["builds"],
  copyDiffers: ["builds", 2, 1],
  backupExists: ["backup.sqlite"],
  backupFailed: ["backup.sqlite", cause],
  backupElsewhere: ["pg_dump"],
  databaseForeign: [],
  databaseInUse: [17],
  masterRunning: ["main", "process 1 on here"],
  masterNotRunning: ["master.sock"],
  engineAway: ["builds.stop", "master.sock", cause],
  callerBound: ["builds.stop"],
  databaseUnready: [["0009-more"]],
  socketForbidden: ["master.sock"],
  folderUnusable: ["folder", cause],
  stateFolder: ["folder", cause],
  socketPath: ["long.sock"],
  leaseLost: ["scheduler:one"],
  buildsetTwice: ["release-1"],
  budgetSpent: ["logs.search", 3],
  builderUnknown: [["one", "two"]],
  notFound: ["build", "7"],
  methodUnknown: ["x.y"],
  paramsInvalid: ["builds.get", details],
  forbidden: ["builds.stop", "control", "anonymous"],
  recordGone: ["link/1"],
  internal: ["123", cause],
  databaseAway: [cause],
  masterStopping: [],
  restartFailed: [],
  secretUnknown: ["one"],
  secretFailed: ["one", cause],
  stateUnreadable: ["one", 2, 1],
  schedulerCannotForce: ["one"],
  schedulerCannotTrigger: ["one"],
  schedulerDisabled: ["one", "ada", "it is noisy"],
  requestEnded: [7],
  requestNotWaiting: [7],
  buildEnded: [7],
  cursorInvalid: [],
  positionAhead: ["7"],
  lockInvalid: ['the step "one"', "There is no lock named two"],
  lockDeadlock: [["one"]],
  stepGone: [],
  stepStuck: ["one"],
  propertyMissing: ["one"],
  resultInvalid: ["one"],
  stepsRefused: [details],
  linkRefused: ["Its name is too long."],
  statisticRefused: ["Its name is too long."],
  buildDataRefused: ["coverage", "It is too large."],
  nothingToRebuild: [7],
  changeInvalid: [details],
  transportTooLarge: [1_000],
  usage: ["There is no command."],
  tokenTwice: ["one"],
  simulationInput: ["changes.jsonl", details, cause],
  simulationHistory: ["There is none", cause],
  simulationDatabase: ["@belfry/postgres/database"],
  simulationStuck: ["scheduler:one", "2026-01-01T00:00:00.000Z"],
  logNotFound: ["builds/7"],
  logKeyInvalid: [".."],
  logInUse: ["builds/7"],
  logFenced: ["builds/7"],
  logDiskFull: ["builds/7", cause],
  logWriteFailed: ["builds/7", cause],
  logReadFailed: [cause],
  logDamaged: ["Chunk 3"],
  logReaderClosed: [],
  logCountInvalid: [],
};

const made = Object.entries(all).map(([name, make]) => {
  const samples = SAMPLES[name as keyof Samples] as unknown[];
  return { name, error: (make as (...args: unknown[]) => BelfryError)(...samples) };
});

/** The rows below a heading of core's README, as lists of their cells. */
async function rowsBelow(heading: string): Promise<string[][]> {
  const text = await readFile(join(root, "core/README.md"), "utf8");
  const section = text.split(/^## /m).find((part) => part.startsWith(`${heading}\n`)) ?? "";
  const lines = section.split("\n").filter((line) => line.startsWith("|"));
  return lines.slice(2).map((line) => line.split(" | ").map((cell) => cell.replace(/^\| | \|$/g, "").trim()));
}

catalogue("each error says what, why and what to do, in whole sentences", () => {
  const wrong: string[] = [];
  for (const { name, error } of made) {
    for (const key of ["what", "why", "fix"] as const) {
      const text = error[key];
      const isList = key === "why" && error.details.length > 0;
      if (!/^["`A-Z0-9]/.test(text) && !isList) wrong.push(`${name}.${key} does not begin like a sentence: ${text}`);
      if (!text.endsWith(".") && !isList) wrong.push(`${name}.${key} has no full stop: ${text}`);
      if (/undefined|\[object|NaN/.test(text)) wrong.push(`${name}.${key} shows what it should not: ${text}`);
      if (/\n/.test(text) && !isList) wrong.push(`${name}.${key} has several lines`);
    }
    if (!error.message.startsWith(error.what)) wrong.push(`${name}: its message does not begin with what happened`);
  }
  assert.equal(wrong, []);
});

catalogue("an error that lists faults names each with its place", () => {
  for (const make of [faults.configInvalid, faults.changeInvalid]) {
    const error = make(details);
    assert.equal(error.details, details);
    assert.match(error.why, /builders\[0\]\.name: expected text/);
    assert.match(error.why, /expected an object/);
  }
});

catalogue("an error keeps what caused it", () => {
  const lost = made
    .filter(({ name }) => (SAMPLES[name as keyof Samples] as unknown[]).includes(cause))
    .filter(({ error }) => error.cause !== cause);
  assert.equal(
    lost.map(({ name }) => name),
    [],
  );
});

catalogue("each has a code of its own", () => {
  const codes = made.map(({ error }) => error.code);
  assert.equal(
    codes.filter((code, i) => codes.indexOf(code) !== i),
    [],
  );
  assert.equal(
    codes.filter((code) => !/^BELFRY_[A-Z]+(_[A-Z]+)*$/.test(code)),
    [],
  );
});

catalogue("every code is in core's README, and every code of the README is in the catalogue", async () => {
  const rows = await rowsBelow("Errors");
  const documented = rows.map(([code]) => code?.replace(/`/g, "") as string);
  assert.equal([...documented].sort(), made.map(({ error }) => error.code).sort());
  assert.equal(
    rows.filter((cells) => cells.length !== 3 || cells.some((cell) => cell === "")),
    [],
    "each has a meaning and something to do",
  );
});

catalogue("every exit code is in core's README, and the other way round", async () => {
  const documented = (await rowsBelow("Exit codes")).map(([code]) => Number(code?.replace(/`/g, "")));
  assert.equal([...documented].sort(), Object.values(EXIT).sort());
});

catalogue("core refuses with errors of the catalogue only, and uses each of them", async () => {
  const used = new Set<string>();
  const stray: string[] = [];
  for (const file of await sourcesOf("core/src")) {
    const text = await readFile(join(root, file), "utf8");
    for (const [, name] of text.matchAll(/\b(?:faults|logFaults)\.(\w+)\b/g)) used.add(name as string);
    const isCatalogue = /errors\/catalogue\.ts$|logs\/errors\.ts$/.test(file);
    if (!isCatalogue && /new BelfryError\(\s*["'`]/.test(text)) stray.push(file);
  }
  assert.equal(stray, []);
  assert.equal(
    Object.keys(all).filter((name) => !used.has(name)),
    [],
  );
});

catalogue.run();
