import { z } from "belfry";
import { faults } from "./errors.ts";
import { type MethodCall, type OwnMethod, ownMethod } from "./methods.ts";

export const eventWish = z.strictObject({
  since: z.string().max(40).optional().describe("a position; default: now, so that only what is still to come is told"),
  types: z.array(z.string().max(100)).max(50).optional().describe('exact, or by prefix such as "build."'),
  builder: z.string().optional(),
});

export const logWish = z.strictObject({
  build: z.int().optional().describe("the build's id"),
  builder: z.string().optional().describe("with `number`, instead of the id"),
  number: z.int().optional().describe("of this builder; -1 is its newest build"),
  step: z.int().describe("the step's number"),
  log: z.union([z.int(), z.string()]).optional().describe("the log's number or name; default: the step's first"),
  first: z.int().optional().describe("number of the first line, from 0; a negative one counts from the end"),
});

export type EventWish = z.output<typeof eventWish>;
export type LogWish = z.output<typeof logWish>;

/** What a connection has that stays open. */
export interface Subscriptions {
  events(wish: EventWish, call: MethodCall): Promise<{ subscription: number; since: string }>;
  log(wish: LogWish, call: MethodCall): Promise<{ subscription: number }>;
  end(kind: "events" | "log", subscription: number): void;
}

const subscription = z.int().positive().describe("as it was answered");

/** The connection that a call came over. */
function connectionOf(method: string, { subscriptions }: MethodCall): Subscriptions {
  if (subscriptions === undefined) throw faults.webSocketOnly(method);
  return subscriptions;
}

/** The methods that begin and end notifications. */
export const subscriptionMethods: readonly OwnMethod[] = [
  ownMethod({
    name: "events.subscribe",
    summary:
      "Tells what happens behind a position, oldest first, by notifications `events.event` with `subscription`, `events`, `next` and `gap`. Over WebSocket only.",
    params: eventWish,
    result: z.object({ subscription, since: z.string().describe("where it begins") }),
    call: async (wish, call) => connectionOf("events.subscribe", call).events(wish, call),
  }),
  ownMethod({
    name: "events.unsubscribe",
    summary: "Ends a subscription to events. Over WebSocket only.",
    params: z.strictObject({ subscription }),
    result: z.literal(true),
    async call(params, call) {
      connectionOf("events.unsubscribe", call).end("events", params.subscription);
      return true;
    },
  }),
  ownMethod({
    name: "logs.follow",
    summary:
      "Tells the lines of a log, those to come too, by notifications `logs.lines` with `subscription`, `items`, `next`, `lines`, `finished` and `truncated`; ends by itself with the log. Over WebSocket only.",
    params: logWish,
    result: z.object({ subscription }),
    call: async (wish, call) => connectionOf("logs.follow", call).log(wish, call),
  }),
  ownMethod({
    name: "logs.unfollow",
    summary: "Ends the following of a log. Over WebSocket only.",
    params: z.strictObject({ subscription }),
    result: z.literal(true),
    async call(params, call) {
      connectionOf("logs.unfollow", call).end("log", params.subscription);
      return true;
    },
  }),
];
