import type { BelfryError } from "belfry";

/** What a fault says: a number and a text, and the error behind it if there is one. */
export interface Fault {
  code: number;
  text: string;
  error?: BelfryError;
}

const APPLICATION = -32_500;
const TRANSPORT = -32_300;

/** The number of each error, by the specification of fault codes. Clients match on them: they never change. The README has the same list. */
const NUMBERS = new Map<string, number>([
  ["BELFRY_XMLRPC_MALFORMED", -32_700],
  ["BELFRY_XMLRPC_ENCODING", -32_701],
  ["BELFRY_XMLRPC_CHARACTER", -32_702],
  ["BELFRY_XMLRPC_NONCONFORMING", -32_600],
  ["BELFRY_XMLRPC_VALUE", -32_600],
  ["BELFRY_XMLRPC_TOO_DEEP", -32_600],
  ["BELFRY_XMLRPC_TOO_MANY_VALUES", -32_600],
  ["BELFRY_XMLRPC_MULTICALL_TOO_LONG", -32_600],
  ["BELFRY_METHOD_UNKNOWN", -32_601],
  ["BELFRY_XMLRPC_METHOD_UNKNOWN", -32_601],
  ["BELFRY_PARAMS_INVALID", -32_602],
  ["BELFRY_XMLRPC_POSITIONS", -32_602],
  ["BELFRY_XMLRPC_MULTICALL", -32_602],
  ["BELFRY_CHANGE_INVALID", -32_602],
  ["BELFRY_CURSOR_INVALID", -32_602],
  ["BELFRY_POSITION_AHEAD", -32_602],
  ["BELFRY_INTERNAL", -32_603],
  ["BELFRY_XMLRPC_INTERNAL", -32_603],
  ["BELFRY_XMLRPC_UNSENDABLE", -32_603],
  ["BELFRY_XMLRPC_MEDIA_TYPE", TRANSPORT],
]);

export function faultOf(error: BelfryError): Fault {
  const { code, what, why, fix } = error;
  const number = NUMBERS.get(code) ?? (code.startsWith("BELFRY_HTTP_") ? TRANSPORT : APPLICATION);
  return { code: number, text: `${code}: ${what} ${why} ${fix}`, error };
}
