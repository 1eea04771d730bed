import { BelfryError, type Caller } from "belfry";
import type { EncodeOptions } from "../codec/encode.ts";
import { type Fault, faultOf } from "../fault-codes.ts";
import type { Turns } from "../turns.ts";

/** Who asks, until when, and how the answer is to be written. */
export interface CallContext {
  readonly caller: Caller;
  readonly signal: AbortSignal;
  readonly encoding: EncodeOptions;
  readonly turns: Turns;
  /** Told of a fault inside; returns what the client is told. */
  report(error: unknown): BelfryError;
}

export interface Method {
  /** For `system.methodHelp`. */
  readonly help: string;
  /** For `system.methodSignature`: each the type of the result, then those of the parameters. */
  readonly signatures: readonly (readonly string[])[];
  call(params: unknown[], context: CallContext): Promise<unknown>;
}

/** Methods that have a way of failing in common. */
export interface Family {
  names(): readonly string[];
  get(name: string): Method | undefined;
  /** How a failure of one of them is told. */
  fault(error: unknown, context: CallContext): Fault;
}

/** With the numbers that the interop specification has for faults. */
export function plainFault(error: unknown, context: CallContext): Fault {
  return faultOf(BelfryError.is(error) ? error : context.report(error));
}
