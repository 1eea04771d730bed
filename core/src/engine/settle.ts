import { faults } from "../errors/catalogue.ts";
import type { Clock } from "../interfaces/clock.ts";

const GIVE_UP_MILLIS = 30_000;

/** What a step's work comes to; work that goes on after its signal aborted is given up after a while. */
export async function settle<T>(running: Promise<T>, signal: AbortSignal, name: string, clock: Clock): Promise<T> {
  let cleanUp = () => {};
  const stuck = new Promise<never>((_, reject) => {
    const onAbort = () => {
      const timer = clock.setTimer(GIVE_UP_MILLIS, () => reject(faults.stepStuck(name)));
      cleanUp = () => timer.cancel();
    };
    if (signal.aborted) onAbort();
    else {
      signal.addEventListener("abort", onAbort, { once: true });
      cleanUp = () => signal.removeEventListener("abort", onAbort);
    }
  });
  try {
    return await Promise.race([running, stuck]);
  } finally {
    cleanUp();
  }
}
