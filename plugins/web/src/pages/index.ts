import type { Web } from "../extension.ts";
import { addAbout } from "./about.ts";
import { addBadges } from "./badges.ts";
import { addBuild } from "./build.ts";
import { addBuilder } from "./builder.ts";
import { addBuilders } from "./builders.ts";
import { addBuildset } from "./buildset.ts";
import { addChanges } from "./changes.ts";
import { addConsole } from "./console.ts";
import { addHome } from "./home.ts";
import { addLog } from "./log.ts";
import { addRequests } from "./requests.ts";
import { addSchedulers } from "./schedulers.ts";
import { addSources } from "./sources.ts";
import { addStep } from "./step.ts";
import { addWaterfall } from "./waterfall.ts";
import { addWorkers } from "./workers.ts";

const PAGES = [
  addHome,
  addBuilders,
  addBuilder,
  addBuild,
  addStep,
  addLog,
  addRequests,
  addBuildset,
  addChanges,
  addWorkers,
  addSchedulers,
  addSources,
  addWaterfall,
  addConsole,
  addAbout,
  addBadges,
];

/** The pages of this package, registered as anybody's. */
export function addPages(web: Web): void {
  for (const add of PAGES) add(web);
}
