import type { Millis } from "../interfaces/values.ts";

export interface Appointment<T> {
  readonly at: Millis;
  readonly value: T;
  cancelled: boolean;
}

interface Placed<T> extends Appointment<T> {
  order: number;
}

/** What is to happen and when: the earliest first, in the order of adding among equals. */
export class Timetable<T> {
  readonly #heap: Placed<T>[] = [];
  #added = 0;

  add(at: Millis, value: T): Appointment<T> {
    const appointment = { at, value, cancelled: false, order: this.#added++ };
    const heap = this.#heap;
    let place = heap.push(appointment) - 1;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (!isBefore(appointment, heap[parent] as Placed<T>)) break;
      heap[place] = heap[parent] as Placed<T>;
      place = parent;
    }
    heap[place] = appointment;
    return appointment;
  }

  /** When the next one is that was not cancelled. */
  get next(): Millis | undefined {
    while (this.#heap[0]?.cancelled) this.#shift();
    return this.#heap[0]?.at;
  }

  /** Takes out the next one that is due at this time. */
  take(now: Millis): T | undefined {
    const { next } = this;
    if (next === undefined || next > now) return undefined;
    return this.#shift().value;
  }

  #shift(): Placed<T> {
    const heap = this.#heap;
    const first = heap[0] as Placed<T>;
    const last = heap.pop() as Placed<T>;
    if (heap.length === 0) return first;
    let place = 0;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= heap.length) break;
      const right = heap[child + 1];
      if (right && isBefore(right, heap[child] as Placed<T>)) child += 1;
      if (!isBefore(heap[child] as Placed<T>, last)) break;
      heap[place] = heap[child] as Placed<T>;
      place = child;
    }
    heap[place] = last;
    return first;
  }
}

function isBefore(a: { at: number; order: number }, b: { at: number; order: number }): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
