import { BelfryError } from "belfry";

/** What `belfry listen` can refuse; the README has the same list. */
export const listenFaults = {
  fileUnreadable: (file: string, reason: string, cause: unknown) =>
    new BelfryError(
      "BELFRY_JSONRPC_LISTENER_UNREADABLE",
      {
        what: `The listener ${file} cannot be loaded.`,
        why: `It stopped with: ${/[.!?]$/.test(reason) ? reason : `${reason}.`}`,
        fix: "Correct the file, or its path.",
      },
      { cause },
    ),
  fileWithoutListener: (file: string) =>
    new BelfryError("BELFRY_JSONRPC_NO_LISTENER", {
      what: `The file ${file} exports no listener.`,
      why: "Its default export has no `handle`, and is no entry made by the function of a listener either.",
      fix: "Export `{ async handle(event, ctx) { ... } }` by default, or what a configuration has among its `listeners`.",
    }),
  usage: (why: string) =>
    new BelfryError("BELFRY_JSONRPC_LISTEN_USAGE", {
      what: "The command line of `belfry listen` cannot be used.",
      why,
      fix: "`belfry listen --help` shows what it takes.",
    }),
};
