import { BelfryError } from "belfry";
import { count } from "./parts/texts.ts";

const shown = (text: string) => (text.length > 200 ? `${text.slice(0, 200)}…` : text);

/** The errors of this package; the README has the same list. */
export const faults = {
  noHttp: (cause: unknown) =>
    new BelfryError(
      "BELFRY_WEB_NO_HTTP",
      {
        what: "The pages cannot be served.",
        why: "The configuration has no HTTP server for them.",
        fix: "Add http() of @belfry/http to `services`.",
      },
      { cause },
    ),
  pathInvalid: (path: string) =>
    new BelfryError("BELFRY_WEB_PATH_INVALID", {
      what: `A page cannot be at "${shown(path)}".`,
      why: "A path is of segments that are letters, digits, `.`, `_` and `-`, or `:` and the name of a key.",
      fix: "Give the page a path such as `/builders/:builder/trend`.",
    }),
  typeUnknown: (type: string) =>
    new BelfryError("BELFRY_WEB_TYPE_UNKNOWN", {
      what: `Nothing is known of "${shown(type)}" in the pages.`,
      why: "No plugin has registered a page, a link, a snippet or an action of this name.",
      fix: "Register it, or correct the name.",
    }),
  pageUnknown: (
    path: string,
    what = "There is no such page.",
    why = `Nothing is at "${shown(path)}".`,
    fix = "Begin at one of the pages above.",
  ) => new BelfryError("BELFRY_WEB_PAGE_UNKNOWN", { what, why, fix }),
  formRefused: () =>
    new BelfryError("BELFRY_WEB_FORM_REFUSED", {
      what: "This form was not taken.",
      why: "It was not made for you by this server: you have signed in or out since, or it comes from elsewhere.",
      fix: "Sign in if you are signed out, load the page again and send the form from there.",
    }),
  internalOnly: (method: string) =>
    new BelfryError("BELFRY_WEB_INTERNAL_ONLY", {
      what: `"${shown(method)}" is not allowed.`,
      why: "It is for the master itself.",
      fix: "Leave it to the master.",
    }),
  formBroken: (why: string, details: readonly { path: string; message: string }[] = []) =>
    new BelfryError(
      "BELFRY_WEB_FORM_BROKEN",
      { what: "This form cannot be used.", why, fix: "Go back, correct it and send it again." },
      { details },
    ),
  tooFast: (perMinute: number, seconds: number) =>
    new BelfryError(
      "BELFRY_WEB_TOO_FAST",
      {
        what: "You ask for pages faster than this server makes them for one reader.",
        why: `${perMinute} pages a minute were made for you already.`,
        fix: `Go on in ${count(seconds, "second")}; programs ask the API instead, and the administrator sets \`pagesPerMinute\`.`,
      },
      { details: [{ path: "retryAfterSeconds", message: String(seconds) }] },
    ),
  streamsFull: (limit: number) =>
    new BelfryError("BELFRY_WEB_STREAMS_FULL", {
      what: "This page is not kept up to date now.",
      why: `${limit} streams are open already.`,
      fix: "Load the page again to see what is new, or raise `streamLimit` or `clientLimit`.",
    }),
};

/** Of a path or a form that has something else where a number should be. */
export const numberWrong = (text: string) =>
  faults.pageUnknown(
    text,
    undefined,
    `"${shown(text)}" is not the number of anything: they are counted from 1.`,
    "Correct the number, or begin at one of the pages above.",
  );

/** Of something that is called by its name. */
export const nameUnknown = (noun: string, name: string) =>
  faults.pageUnknown(
    name,
    `There is no ${noun} "${shown(name)}".`,
    "The running configuration has none of this name, or you may not see it.",
    "Look for it in the list of all, and check the spelling.",
  );

const STATUS = new Map([
  ["BELFRY_WEB_PAGE_UNKNOWN", 404],
  ["BELFRY_WEB_FORM_REFUSED", 403],
  ["BELFRY_WEB_FORM_BROKEN", 400],
  ["BELFRY_NOT_FOUND", 404],
  ["BELFRY_LOG_NOT_FOUND", 404],
  ["BELFRY_BUILDER_UNKNOWN", 404],
  ["BELFRY_METHOD_UNKNOWN", 404],
  ["BELFRY_PARAMS_INVALID", 400],
  ["BELFRY_CURSOR_INVALID", 400],
  ["BELFRY_POSITION_AHEAD", 400],
  ["BELFRY_FORBIDDEN", 403],
  ["BELFRY_HTTP_TOKEN_REFUSED", 401],
  ["BELFRY_HTTP_ORIGIN_MISSING", 403],
  ["BELFRY_HTTP_ORIGIN_REFUSED", 403],
  ["BELFRY_BUDGET_SPENT", 429],
  ["BELFRY_WEB_TOO_FAST", 429],
  ["BELFRY_BUILD_ENDED", 409],
  ["BELFRY_REQUEST_ENDED", 409],
  ["BELFRY_SCHEDULER_CANNOT_FORCE", 409],
  ["BELFRY_REQUEST_NOT_WAITING", 409],
  ["BELFRY_NOTHING_TO_REBUILD", 409],
  ["BELFRY_SCHEDULER_DISABLED", 409],
  ["BELFRY_MASTER_STOPPING", 503],
  ["BELFRY_ENGINE_AWAY", 503],
  ["BELFRY_DATABASE_AWAY", 503],
  ["BELFRY_INTERNAL", 500],
]);

/** The status of a page that shows an error. What a form was refused with, and is not known here, is its sender's to correct. */
export function statusOf(error: BelfryError, method: string): number {
  return STATUS.get(error.code) ?? (method === "POST" ? 400 : 500);
}
