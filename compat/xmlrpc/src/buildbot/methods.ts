import { resultWord } from "@belfry/buildbot-words";
import { type Api, BelfryError, type Result } from "belfry";
import { type Fault, faultOf } from "../fault-codes.ts";
import type { CallContext, Family, Method } from "../methods/family.ts";
import { Asking, type FinishedBuild } from "./answers.ts";
import { count, seconds, text, Unanswerable, whole } from "./arguments.ts";
import { buildStruct } from "./build-struct.ts";
import { builderNames, buildOf, endedBetween, lastOf } from "./queries.ts";
import { nineFields, sevenFields } from "./rows.ts";

export interface BuildbotOptions {
  legacyShape: "0.8.1" | "0.7.10";
  buildbotURL: string;
  /** How many builds one method tells of at most. */
  buildLimit: number;
  errorLimit: number;
}

/**
 * The methods of the status server of Buildbot 0.7.6 to 0.8.1, shapes and all, under every name they
 * ever had. They are translations of the API's answers.
 */
export function buildbotMethods(api: Api, options: BuildbotOptions): Family {
  const fields = options.legacyShape === "0.7.10" ? sevenFields : nineFields;

  const method = (
    help: string,
    [result, ...types]: [string, ...string[]],
    call: (asking: Asking, params: unknown[]) => Promise<unknown>,
  ): Method => ({
    help,
    signatures: [[result, ...types]],
    call(params: unknown[], context: CallContext) {
      count(params, types.length);
      return call(new Asking(api, context), params);
    },
  });

  const lastResult = method(
    "How the last finished build of a builder ended, as a word such as success or failure.",
    ["string", "string"],
    async (asking, [builder]) => {
      const list = asking.list<{ result: Result }>("builds.list", {
        builder: text(builder),
        state: "finished",
        limit: 1,
        fields: ["result"],
      });
      for await (const { result } of list) return resultWord(result);
      throw new Unanswerable("no build has ended, or there is no such builder");
    },
  );

  const lastBuilds = method(
    "The finished ones among the last so many builds of a builder, oldest first.",
    ["array", "string", "int"],
    async (asking, [builder, most]) =>
      (await lastOf(asking, text(builder), whole(most), options.buildLimit)).map(fields),
  );

  const lastBuildsOfAll = method(
    "The finished ones among the last so many builds of each builder.",
    ["array", "int"],
    async (asking, [most]) => {
      const builds: FinishedBuild[] = [];
      for (const name of await builderNames(asking)) {
        builds.push(...(await lastOf(asking, name, whole(most), options.buildLimit - builds.length)));
      }
      return builds.map(fields);
    },
  );

  const methods = new Map<string, Method>([
    ["getAllBuilders", method("The names of all builders.", ["array"], builderNames)],
    ["getLastBuildResults", lastResult],
    ["getStatus", lastResult],
    ["getLastBuilds", lastBuilds],
    ["getLastBuildsAllBuilders", lastBuildsOfAll],
    ["getAllLastBuilds", lastBuildsOfAll],
    [
      "getAllBuildsInInterval",
      method(
        "The builds of all builders that ended between two times, in seconds since 1970, in order of their end.",
        ["array", "double", "double"],
        async (asking, [start, stop]) =>
          (await endedBetween(asking, seconds(start), seconds(stop), options.buildLimit)).map(sevenFields),
      ),
    ],
    [
      "getBuild",
      method(
        "One build by number; -1 is the last one that has ended, -2 the one before.",
        ["struct", "string", "int"],
        async (asking, [builder, number]) =>
          buildStruct(asking, await buildOf(asking, text(builder), whole(number)), options),
      ),
    ],
  ]);

  return { names: () => [...methods.keys()], get: (name) => methods.get(name), fault: oldFault };
}

/** What was a fault to the original, too. */
const UNANSWERABLE = new Set(["BELFRY_NOT_FOUND", "BELFRY_BUILDER_UNKNOWN", "BELFRY_PARAMS_INVALID"]);

/** The original knew one number, and one word for most of what went wrong; what it could not know has its own words. */
function oldFault(error: unknown, context: CallContext): Fault {
  if (error instanceof Unanswerable) return { code: 8002, text: "error" };
  const told = BelfryError.is(error) ? error : context.report(error);
  if (UNANSWERABLE.has(told.code)) return { code: 8002, text: "error", error: told };
  return { ...faultOf(told), code: 8002 };
}
