import type { CoreMethods } from "belfry";
import { numberWrong } from "../errors.ts";
import type { Live, View } from "../extension.ts";
import type { Keys } from "../urls.ts";

export type Build = CoreMethods["builds.get"]["result"];

const INCLUDE: NonNullable<CoreMethods["builds.get"]["params"]["include"]> = [
  "steps",
  "logs",
  "changes",
  "earlier",
  "triggeredBy",
  "triggered",
  "failure",
];

/** The build that a page or a snippet is of, with all that stands on its page: one question for all of them. */
export const theBuild = (view: View, keys: Keys): Promise<Build> =>
  view.ask("builds.get", { builder: String(keys["builder"]), number: numberOf(keys["number"]), include: INCLUDE });

/** A number in a path or a form, from 1 on. */
export function numberOf(text: string | number | undefined): number {
  if (!/^[1-9]\d{0,8}$/.test(String(text))) throw numberWrong(`${text}`);
  return Number(text);
}

/** What changes a build as long as it runs. */
export const liveOf = (build: Build, types: readonly string[]): Live | undefined =>
  build.state === "finished" ? undefined : { types, match: { build: build.id } };

export const isGood = ({ result }: Build): boolean => result !== "failure" && result !== "exception";
