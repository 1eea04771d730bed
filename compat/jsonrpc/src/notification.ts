import type { BelfryError } from "belfry";
import { one, two } from "./body-answer.ts";
import type { Version } from "./dialect.ts";
import { rpcError } from "./error-codes.ts";

/** What is sent unasked, in the form of the request that it goes back to. `params` is JSON. */
export function notification(version: Version, method: string, params: string): string {
  return (version === "1.0" ? one : two).notification(method, params);
}

/** Says that a subscription has ended by a failure. */
export function failed(version: Version, subscription: number, error: BelfryError): string {
  return notification(version, "subscription.failed", JSON.stringify({ subscription, error: rpcError(error) }));
}
