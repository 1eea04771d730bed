import type { BelfryError, Json } from "belfry";

/** The error member of an answer. */
export interface RpcError {
  code: number;
  message: string;
  data: { code: string; what: string; why: string; fix: string; details: Json };
}

export const OTHER_FAILURE = -32_000;

/** The number of each error. Clients match on them: they never change. The README has the same list. */
const NUMBERS = new Map<string, number>([
  ["BELFRY_JSONRPC_PARSE", -32_700],
  ["BELFRY_JSONRPC_REQUEST_INVALID", -32_600],
  ["BELFRY_JSONRPC_BATCH_TOO_LONG", -32_600],
  ["BELFRY_JSONRPC_TOO_DEEP", -32_600],
  ["BELFRY_JSONRPC_TOO_MANY_VALUES", -32_600],
  ["BELFRY_METHOD_UNKNOWN", -32_601],
  ["BELFRY_JSONRPC_WEBSOCKET_ONLY", -32_601],
  ["BELFRY_PARAMS_INVALID", -32_602],
  ["BELFRY_JSONRPC_PARAMS_INVALID", -32_602],
  ["BELFRY_JSONRPC_POSITIONS", -32_602],
  ["BELFRY_CHANGE_INVALID", -32_602],
  ["BELFRY_CURSOR_INVALID", -32_602],
  ["BELFRY_POSITION_AHEAD", -32_602],
  ["BELFRY_INTERNAL", -32_603],
  ["BELFRY_JSONRPC_INTERNAL", -32_603],
  ["BELFRY_HTTP_INTERNAL", -32_603],
  ["BELFRY_HTTP_TOKEN_REFUSED", -32_001],
  ["BELFRY_FORBIDDEN", -32_002],
  ["BELFRY_JSONRPC_FORBIDDEN", -32_002],
  ["BELFRY_HTTP_HOST_REFUSED", -32_003],
  ["BELFRY_HTTP_ORIGIN_REFUSED", -32_003],
  ["BELFRY_HTTP_ORIGIN_MISSING", -32_003],
  ["BELFRY_NOT_FOUND", -32_004],
  ["BELFRY_BUILDER_UNKNOWN", -32_004],
  ["BELFRY_JSONRPC_SUBSCRIPTION_UNKNOWN", -32_004],
  ["BELFRY_JSONRPC_ANSWER_TOO_LARGE", -32_005],
  ["BELFRY_JSONRPC_CONNECTIONS_FULL", -32_005],
  ["BELFRY_JSONRPC_SUBSCRIPTIONS_FULL", -32_005],
  ["BELFRY_HTTP_BODY_TOO_LARGE", -32_005],
  ["BELFRY_HTTP_BODY_SLOW", -32_006],
  ["BELFRY_HTTP_BODY_ENCODED", -32_006],
  ["BELFRY_HTTP_BODY_BROKEN", -32_006],
  ["BELFRY_HTTP_METHOD_REFUSED", -32_006],
  ["BELFRY_HTTP_TARGET_REFUSED", -32_006],
  ["BELFRY_JSONRPC_MEDIA_TYPE", -32_006],
  ["BELFRY_HTTP_STOPPING", -32_007],
  ["BELFRY_BUILD_ENDED", -32_008],
  ["BELFRY_REQUEST_ENDED", -32_008],
  ["BELFRY_SCHEDULER_CANNOT_FORCE", -32_008],
  ["BELFRY_TOKEN_TWICE", -32_008],
  ["BELFRY_BUDGET_SPENT", -32_009],
]);

export function rpcError(error: BelfryError): RpcError {
  const { code, what, why, fix, details } = error;
  const data = { code, what, why, fix, details: details as unknown as Json };
  return { code: NUMBERS.get(code) ?? OTHER_FAILURE, message: what, data };
}
