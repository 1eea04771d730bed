import { seconds } from "@belfry/buildbot-words";
import type { Json } from "belfry";
import type { Change, SourceStamp } from "../reader.ts";

const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** A source stamp with those of the changes that are of its codebase. */
export function sourceStampObject(stamp: SourceStamp, changes: readonly Change[]): { [key: string]: Json } {
  const { patch } = stamp;
  return {
    revision: stamp.revision,
    branch: stamp.branch,
    hasPatch: patch !== null,
    ...(patch !== null && {
      patch_level: patch.level,
      patch_body: patch.body,
      patch_subdir: "",
      patch_author: patch.author ?? "",
      patch_comment: patch.comment ?? "",
    }),
    changes: changes.filter((change) => change.codebase === stamp.codebase).map(changeObject),
    project: stamp.project,
    repository: stamp.repository,
    codebase: stamp.codebase,
  };
}

/** For builds of nothing: the clients look for a first one. */
export const NO_STAMP: SourceStamp = {
  repository: "",
  branch: null,
  revision: null,
  codebase: "",
  project: "",
  patch: null,
};

export function changeObject(change: Change): { [key: string]: Json } {
  return {
    number: change.id,
    branch: change.branch,
    category: change.category,
    revision: change.revision,
    rev: change.revision,
    revlink: change.link,
    who: change.author,
    comments: change.comments,
    when: seconds(change.when),
    at: localTime(change.when),
    files: change.files.map((name) => ({ name, url: null })),
    properties: triples(Object.entries(change.properties).map(([name, value]) => [name, value, "Change"])),
    repository: change.repository,
    project: change.project,
    codebase: change.codebase,
  };
}

/** Properties in order of name. */
export function triples(properties: [name: string, value: Json, source: string][]): Json {
  return properties.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
}

/** `Tue 05 Oct 2010 14:03:11`, by the clock on the master's wall. */
function localTime(millis: number): string {
  const date = new Date(millis);
  if (Number.isNaN(date.getTime())) return "?";
  const two = (value: number) => String(value).padStart(2, "0");
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(":");
  return `${DAYS[date.getDay()]} ${two(date.getDate())} ${MONTHS[date.getMonth()]} ${date.getFullYear()} ${time}`;
}
