import { BelfryError } from "belfry";

/** What came from outside, fit for a message: short, and on one line. */
function shown(text: string, most = 200): string {
  const line = text.replace(/\s+/g, " ");
  return line.length > most ? `${line.slice(0, most)}…` : line;
}

/** The errors of this package; the README has the same list. */
export const faults = {
  noHttp: (cause: unknown) =>
    new BelfryError(
      "BELFRY_XMLRPC_NO_HTTP",
      {
        what: "XML-RPC cannot be offered.",
        why: "It is mounted on the server of @belfry/http, and the configuration has none.",
        fix: 'Add http() from "@belfry/http" to the services, before xmlrpc().',
      },
      { cause },
    ),
  mediaType: () =>
    new BelfryError("BELFRY_XMLRPC_MEDIA_TYPE", {
      what: "The body of this request is not taken as XML.",
      why: "Its Content-Type is neither text/xml nor application/xml.",
      fix: "Send it with the header `Content-Type: text/xml`.",
    }),
  encoding: (name: string) =>
    new BelfryError("BELFRY_XMLRPC_ENCODING", {
      what: "The body of this request cannot be read.",
      why: `Its encoding is said to be "${shown(name, 40)}".`,
      fix: "Send it in UTF-8; US-ASCII and ISO-8859-1 are read too.",
    }),
  character: (why: string) =>
    new BelfryError("BELFRY_XMLRPC_CHARACTER", {
      what: "The body of this request has a character that XML cannot carry.",
      why: shown(why),
      fix: "Leave control characters out, or send the text as <base64> in UTF-8.",
    }),
  malformed: (why: string) =>
    new BelfryError("BELFRY_XMLRPC_MALFORMED", {
      what: "The body of this request is not well-formed XML.",
      why: shown(why),
      fix: "Send one <methodCall>, without a document type.",
    }),
  nonconforming: (why: string) =>
    new BelfryError("BELFRY_XMLRPC_NONCONFORMING", {
      what: "This is XML, and no method call of XML-RPC.",
      why: shown(why),
      fix: "See http://xmlrpc.com/spec.md for what a call looks like.",
    }),
  value: (tag: string, why: string) =>
    new BelfryError("BELFRY_XMLRPC_VALUE", {
      what: `A value of type <${tag}> cannot be read.`,
      why: shown(why),
      fix: "Write it as the specification of XML-RPC has it.",
    }),
  tooDeep: (limit: number) =>
    new BelfryError("BELFRY_XMLRPC_TOO_DEEP", {
      what: "This request is nested too deeply.",
      why: `At most ${limit} arrays and structs may be inside one another.`,
      fix: "Send flatter parameters.",
    }),
  tooMany: (limit: number) =>
    new BelfryError("BELFRY_XMLRPC_TOO_MANY_VALUES", {
      what: "This request has too many values.",
      why: `At most ${limit} are read at once.`,
      fix: "Send less at once.",
    }),
  positions: (method: string, why: string) =>
    new BelfryError("BELFRY_XMLRPC_POSITIONS", {
      what: `The parameters of "${shown(method, 100)}" cannot be given like this.`,
      why: shown(why, 1_000),
      fix: "Give them by name, as one struct; `system.methodHelp` tells the names.",
    }),
  methodUnknown: (name: string) =>
    new BelfryError("BELFRY_XMLRPC_METHOD_UNKNOWN", {
      what: `There is no method "${shown(name, 100)}".`,
      why: "Neither this master nor the XML-RPC server of old Buildbots has it.",
      fix: "`system.listMethods` lists those there are.",
    }),
  multicall: (why: string) =>
    new BelfryError("BELFRY_XMLRPC_MULTICALL", {
      what: "This call of `system.multicall` cannot be used.",
      why: shown(why),
      fix: "Give it one array of structs, each with methodName (a string) and params (an array).",
    }),
  multicallTooLong: (limit: number) =>
    new BelfryError("BELFRY_XMLRPC_MULTICALL_TOO_LONG", {
      what: "This `system.multicall` has too many calls; none was run.",
      why: `At most ${limit} are taken at once.`,
      fix: "Send them in several requests.",
    }),
  answerTooLarge: (limit: number) =>
    new BelfryError("BELFRY_XMLRPC_ANSWER_TOO_LARGE", {
      what: "This call of a `system.multicall` was not run.",
      why: `The answers before it have more than ${limit} characters already.`,
      fix: "Send it again in a request of its own.",
    }),
  tooManyBuilds: (limit: number) =>
    new BelfryError("BELFRY_XMLRPC_TOO_MANY_BUILDS", {
      what: "This asks for too many builds.",
      why: `At most ${limit} are told at once.`,
      fix: "Ask for fewer builds or for a shorter interval, or use `builds.list`, which has pages.",
    }),
  readNeeded: (caller: string) =>
    new BelfryError("BELFRY_XMLRPC_READ_NEEDED", {
      what: "The methods of this master are not told.",
      why: `That needs the scope "read", which "${shown(caller, 100)}" does not have.`,
      fix: "Use a token that has it; the administrator makes one with `belfry token add`.",
    }),
  unsendable: (why: string) =>
    new BelfryError("BELFRY_XMLRPC_UNSENDABLE", {
      what: "The answer cannot be sent as XML-RPC.",
      why: shown(why),
      fix: "Report it to whoever wrote the method.",
    }),
  internal: (requestId: string) =>
    new BelfryError("BELFRY_XMLRPC_INTERNAL", {
      what: "The master failed to answer this request.",
      why: "It is a fault in Belfry or a plugin.",
      fix: `Look for request ${requestId} in the master's log.`,
    }),
};
