import type { Json } from "belfry";
import type { Records, Via } from "./sessions.ts";

/** Somebody who has signed in, for tokens of his that are used while he is away. */
export interface Known {
  user: string;
  /** As they were then; of users with passwords those of the configuration count. */
  groups: string[];
  via: Via;
  seenAt: number;
}

const keyOf = (user: string) => `person/${user}`;

export async function knownPerson(records: Records, user: string): Promise<Known | undefined> {
  const record = await records.get(keyOf(user));
  return record && (record.value as unknown as Known);
}

/** The record that notes that somebody was here. */
export function personRecord(known: Known) {
  return { key: keyOf(known.user), value: known as unknown as Json };
}
