import { z } from "zod";
import type { ApiDeps } from "../../api/deps.ts";
import { loadConfigFile } from "../../config/load.ts";
import { BelfryError } from "../../errors/belfry-error.ts";
import type { ApiMethod } from "../../interfaces/api-method.ts";
import type { Json } from "../../interfaces/values.ts";
import type { Registry } from "../../plugins/registry.ts";
import type { CliCommand } from "../cli-command.ts";
import { EXIT } from "../exit-code.ts";
import { logLine } from "../plain-text.ts";
import type { Session } from "../session.ts";

type Described = Pick<ApiMethod, "name" | "permission" | "summary" | "stability" | "example"> & {
  params: Json;
  result: Json;
};

/** `belfry api`: the reference of the methods, of the running master or else of the configuration. */
const api: CliCommand = {
  name: "api",
  summary: "print the reference of the API's methods, or of one",
  define: (command) => {
    command.argument("[method]", "such as builds.list; all without it");
  },
  async run(session, [method]) {
    const params: Json = typeof method === "string" ? { method } : {};
    const answer = await askMaster(session, params).catch((error) => {
      if (codeOf(error) === "BELFRY_MASTER_NOT_RUNNING") return askConfiguration(session, params);
      throw error;
    });
    const { apiReference } = await import("../../api/reference.ts");
    session.print(answer as unknown as Json, () => {
      const text = apiReference(answer.items.map(toMethod)).trimEnd();
      // A single method needs no contents.
      const shown = method === undefined ? text : text.slice(text.indexOf("\n## ") + 1);
      return shown.split("\n").map((line) => logLine(line, false));
    });
    return EXIT.fine;
  },
};

export default api;

function askMaster(session: Session, params: Json): Promise<{ items: Described[] }> {
  return session.call("api.methods", params);
}

/** What a master with this configuration would answer; with core's methods alone where no configuration is. */
async function askConfiguration(session: Session, params: Json): Promise<{ items: Described[] }> {
  const { CoreApi } = await import("../../api/core-api.ts");
  const { internal } = await import("../../api/callers.ts");
  const registry = await pluginsOf(session);
  const quiet = { debug() {}, info() {}, warn() {}, error() {}, child: () => quiet };
  // The methods are only described: they need nothing to work on.
  const methods = new CoreApi({ registry: () => registry } as unknown as ApiDeps, quiet).methods();
  const describe = methods.find(({ name }) => name === "api.methods") as ApiMethod;
  return (await describe.call(params, { caller: internal, signal: session.signal })) as { items: Described[] };
}

async function pluginsOf(session: Session): Promise<Pick<Registry, "methods">> {
  // Throws where a configuration was named and is not there.
  const { folder, stateFolder } = session;
  let value: unknown;
  try {
    ({ value } = await loadConfigFile(session.configFile));
  } catch (error) {
    if (codeOf(error) === "BELFRY_CONFIG_NOT_FOUND") return { methods: [] };
    throw error;
  }
  const { Master } = await import("../../master.ts");
  return new Master(value, { folder, stateFolder }).registry;
}

function toMethod({ params, result, ...described }: Described): ApiMethod {
  const schema = (json: Json) => z.fromJSONSchema(json as Parameters<typeof z.fromJSONSchema>[0]);
  const call = () => Promise.reject(new Error("a description cannot be called"));
  return { ...described, params: schema(params), result: schema(result), call };
}

function codeOf(error: unknown): string | undefined {
  return BelfryError.is(error) ? error.code : undefined;
}
