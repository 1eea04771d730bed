const GRACE_MILLIS = 3_000;

/**
 * What a plugin's work comes to. Work that does not end after its signal aborted is waited for a
 * little while and then let go, so that nobody can keep a master from stopping. Rejects with
 * `signal.reason` then; what the work still does is its own affair.
 */
export async function withGrace<T>(work: Promise<T>, signal: AbortSignal, grace = GRACE_MILLIS): Promise<T> {
  let cleanUp = () => {};
  const letGo = new Promise<never>((_, reject) => {
    const onAbort = () => {
      const timer = setTimeout(() => reject(signal.reason), grace);
      cleanUp = () => clearTimeout(timer);
    };
    if (signal.aborted) onAbort();
    else {
      signal.addEventListener("abort", onAbort, { once: true });
      cleanUp = () => signal.removeEventListener("abort", onAbort);
    }
  });
  try {
    return await Promise.race([work, letGo]);
  } finally {
    cleanUp();
  }
}
