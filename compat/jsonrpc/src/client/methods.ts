import type { CoreMethods, Json } from "belfry";

/**
 * The methods of a master with their parameters and results. A plugin that adds some says so by
 * `declare module "@belfry/jsonrpc/client" { interface Methods { "artifacts.list": { params: …; result: … } } }`.
 */
export interface Methods extends CoreMethods {}

export type Params<M extends string> = M extends keyof Methods ? Methods[M]["params"] : Json;
export type Result<M extends string> = M extends keyof Methods ? Methods[M]["result"] : Json;
