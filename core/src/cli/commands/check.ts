import type { Generation, Part } from "../../config/generation.ts";
import { loadConfigFile } from "../../config/load.ts";
import { BelfryError } from "../../errors/belfry-error.ts";
import type { Point } from "../../interfaces/plugin.ts";
import { shortKind } from "../../plugins/define.ts";
import type { CliCommand } from "../cli-command.ts";
import { EXIT } from "../exit-code.ts";
import { failureText } from "../failure-report.ts";
import { logLine } from "../plain-text.ts";

const FAULTS = ["BELFRY_CONFIG_INVALID", "BELFRY_CONFIG_UNREADABLE", "BELFRY_PLUGIN_REFUSED"];

/** `belfry check`: loads and checks a configuration, and starts nothing. */
const check: CliCommand = {
  name: "check",
  summary: "check the configuration, without starting anything",
  define: () => undefined,
  async run(session) {
    const file = session.configFile;
    try {
      const { value, folder } = await loadConfigFile(file);
      const { Master } = await import("../../master.ts");
      const { generation, registry } = new Master(value, { folder, stateFolder: session.stateFolder });
      const plugins = registry.plugins.map(({ plugin }) => ({ name: plugin.name, version: plugin.version ?? null }));
      const shown = describe(generation);
      session.print({ ok: true, file, ...shown, plugins }, () => [
        `${session.out.paint.green("The configuration is good:")} ${file}`,
        ...Object.entries(shown).map(([heading, items]) => `  ${heading}: ${items.map(nameOf).join(", ") || "none"}`),
        `  plugins: ${plugins.map(({ name, version }) => `${name}${version === null ? "" : ` ${version}`}`).join(", ")}`,
      ]);
      return EXIT.fine;
    } catch (error) {
      if (!BelfryError.is(error) || !FAULTS.includes(error.code)) throw error;
      const faults = error.details.length > 0 ? error.details : [{ path: "", message: error.why, code: error.code }];
      session.print({ ok: false, file, faults: faults.map((fault) => ({ ...fault })) }, () => [
        failureText(error, session.out.paint),
        logLine(`  in ${file}`, false),
      ]);
      return EXIT.bad;
    }
  },
};

export default check;

function describe(generation: Generation) {
  const parts = (list: readonly Part<Point>[]) => list.map(({ name, kind }) => ({ name, kind: shortKind(kind) }));
  return {
    database: parts([generation.database as Part<Point>]),
    services: parts(generation.services as Part<Point>[]),
    workers: parts(generation.workers as Part<Point>[]),
    sources: parts(generation.sources as Part<Point>[]),
    schedulers: parts(generation.schedulers as Part<Point>[]),
    listeners: parts(generation.listeners as Part<Point>[]),
    builders: [...generation.builders.values()].map(({ name, steps }) => ({
      name,
      steps: steps.map((step) => step.name),
    })),
  };
}

function nameOf(item: { name: string; kind?: string; steps?: string[] }): string {
  if (item.steps) return `${item.name} (${item.steps.length} step${item.steps.length === 1 ? "" : "s"})`;
  return item.kind?.endsWith(`.${item.name}`) ? (item.kind ?? "") : `${item.name} (${item.kind})`;
}
