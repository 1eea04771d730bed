import { BelfryError } from "belfry";
import type { CallContext, Dialect, RpcResponse } from "./dialect.ts";
import { faults } from "./errors.ts";
import { type JsonLimits, parseGuarded } from "./json-guard.ts";

export interface AnswerLimits extends JsonLimits {
  /** How many requests of a batch run at a time. */
  concurrency: number;
  /** After how many bytes of answers the rest of a batch is not run. */
  answer: number;
}

/** How long requests of a batch may follow each other before everybody else gets a turn. */
const SLICE = 5;

/** Answers the body of a request: the text to send, or `undefined` if there is nothing to say. Never rejects. */
export async function answerBody(
  bytes: Buffer,
  dialect: Dialect,
  limits: AnswerLimits,
  context: CallContext,
): Promise<string | undefined> {
  let body: unknown;
  try {
    body = parseGuarded(bytes, limits);
  } catch (error) {
    return text(dialect.refusal(BelfryError.is(error) ? error : context.report(error), null));
  }
  if (!Array.isArray(body)) return one(body);
  if (body.length === 0) return text(dialect.refusal(faults.requestInvalid("It is an empty batch."), null));
  return batch(body);

  async function one(request: unknown): Promise<string | undefined> {
    const response = await dialect.answer(request, context);
    return response && text(response);
  }

  async function batch(requests: unknown[]): Promise<string | undefined> {
    const answers: string[] = [];
    let next = 0;
    let size = 0;
    let sliceEnd = performance.now() + SLICE;
    const run = async () => {
      while (next < requests.length) {
        if (context.signal.aborted) return;
        const index = next++;
        const request = requests[index];
        const id = size > limits.answer ? dialect.idOf(request) : undefined;
        // A notification adds nothing to the answers, so it is run all the same.
        const answer =
          id === undefined ? await one(request) : text(dialect.refusal(faults.answerTooLarge(limits.answer), id));
        if (answer !== undefined) answers[index] = answer;
        size += answer?.length ?? 0;
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

  function text(response: RpcResponse): string {
    try {
      return JSON.stringify(response);
    } catch (error) {
      return JSON.stringify(dialect.refusal(context.report(error), response.id));
    }
  }
}
