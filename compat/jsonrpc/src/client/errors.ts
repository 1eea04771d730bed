import { BelfryError } from "belfry";

/** What goes wrong on the client's side; the README has the same list. */
export const clientFaults = {
  address: (address: string) =>
    new BelfryError("BELFRY_JSONRPC_ADDRESS", {
      what: "This is no address of a master.",
      why: `"${address.slice(0, 200)}" is neither a URL of http, https, ws or wss nor the path of a socket.`,
      fix: 'Give something like "http://127.0.0.1:8010", "ws://127.0.0.1:8010" or "/srv/ci/.belfry/master.sock".',
    }),
  unreachable: (where: string, why: string, cause?: unknown) =>
    new BelfryError(
      "BELFRY_JSONRPC_UNREACHABLE",
      {
        what: `The master at ${where} cannot be reached.`,
        why: /[.!?]$/.test(why) ? why : `${why}.`,
        fix: "See whether it runs, and whether address and port are right.",
      },
      { cause },
    ),
  answerStrange: (where: string, why: string) =>
    new BelfryError("BELFRY_JSONRPC_ANSWER_STRANGE", {
      what: `What answers at ${where} does not speak JSON-RPC.`,
      why,
      fix: "See whether the path is that of @belfry/jsonrpc, and what stands between.",
    }),
  closed: () =>
    new BelfryError("BELFRY_JSONRPC_CLOSED", {
      what: "This client was closed.",
      why: "Somebody called its `close`.",
      fix: "Make a new one.",
    }),
  gap: (from: string) =>
    new BelfryError("BELFRY_JSONRPC_GAP", {
      what: "Events are missing.",
      why: `Some that followed position ${from} are no longer kept at the master.`,
      fix: "Read anew what you derived from events, and pass `onGap` to go on with what is still kept.",
    }),
  noCursor: () =>
    new BelfryError("BELFRY_JSONRPC_NO_CURSOR", {
      what: "This listener has nowhere to keep its place.",
      why: "Neither `name`, `cursorFile` nor `cursor` is given.",
      fix: "Give one of them.",
    }),
  cursorFile: (file: string, cause: unknown) =>
    new BelfryError(
      "BELFRY_JSONRPC_CURSOR_FILE",
      {
        what: `The place of the listener cannot be kept in ${file}.`,
        why: `The system refuses it: ${(cause as NodeJS.ErrnoException).code ?? "unknown reason"}.`,
        fix: "Name a file in a folder that this user may write to.",
      },
      { cause },
    ),
  cursorFileBroken: (file: string) =>
    new BelfryError("BELFRY_JSONRPC_CURSOR_FILE_BROKEN", {
      what: `The file ${file} holds no place of a listener.`,
      why: 'It is not of the form {"version": 1, "position": "..."}.',
      fix: "Name another file, or remove this one to begin anew.",
    }),
};
