import { BelfryError } from "belfry";
import { type CallContext, type Dialect, isObject, type RpcResponse } from "./dialect.ts";
import { dialectOne } from "./dialect-one.ts";
import { dialectTwo } from "./dialect-two.ts";
import type { RpcError } from "./error-codes.ts";
import { faults } from "./errors.ts";
import { type JsonLimits, parseGuarded } from "./json-guard.ts";
import { responseText } from "./response-text.ts";

export interface AnswerLimits extends JsonLimits {
  /** How many requests of a batch run at a time. */
  concurrency: number;
  /** After how many bytes of answers the rest of a batch is not run. */
  answer: number;
}

export interface BodyAnswer {
  /** What to send; `undefined` if there is nothing to say. */
  text?: string | undefined;
  /** The error of a request that came alone. */
  error?: RpcError | null | undefined;
}

/** How long requests of a batch may follow each other before everybody else gets a turn. */
const SLICE = 5;

export const one: Dialect = dialectOne();
export const two: Dialect = dialectTwo();

/** Answers the body of a request: one of either version, or an array of those of version 2.0. Never rejects. */
export async function answerBody(bytes: Buffer, limits: AnswerLimits, context: CallContext): Promise<BodyAnswer> {
  let body: unknown;
  try {
    body = parseGuarded(bytes, limits);
  } catch (error) {
    return sent(two, two.refusal(BelfryError.is(error) ? error : context.report(error), null), context);
  }
  if (!Array.isArray(body)) {
    const dialect = isObject(body) && !Object.hasOwn(body, "jsonrpc") ? one : two;
    return sent(dialect, await dialect.answer(body, context), context);
  }
  if (body.length === 0) return sent(two, two.refusal(faults.requestInvalid("It is an empty batch."), null), context);
  return { text: await answerBatch(body, limits, context) };
}

async function answerBatch(
  requests: unknown[],
  limits: AnswerLimits,
  context: CallContext,
): Promise<string | undefined> {
  const answers: (string | undefined)[] = [];
  let next = 0;
  let size = 0;
  let sliceEnd = performance.now() + SLICE;
  const run = async () => {
    while (next < requests.length) {
      if (context.signal.aborted) return;
      const index = next++;
      const request = requests[index];
      const id = size > limits.answer ? two.idOf(request) : undefined;
      // A notification adds nothing to the answers, so it is run all the same.
      const response =
        id === undefined ? await two.answer(request, context) : two.refusal(faults.answerTooLarge(limits.answer), id);
      const { text } = sent(two, response, context);
      answers[index] = text;
      size += text?.length ?? 0;
      if (performance.now() >= sliceEnd) {
        await new Promise((resolve) => setImmediate(resolve));
        sliceEnd = performance.now() + SLICE;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(limits.concurrency, requests.length) }, run));
  const said = answers.filter((answer) => typeof answer === "string");
  return said.length === 0 ? undefined : `[${said.join(",")}]`;
}

function sent(dialect: Dialect, response: RpcResponse | undefined, context: CallContext): BodyAnswer {
  if (response === undefined) return {};
  try {
    return { text: responseText(response), error: response.error };
  } catch (error) {
    return { text: JSON.stringify(dialect.refusal(context.report(error), response.id)) };
  }
}
