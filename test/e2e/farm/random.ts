/** Random numbers from 0 to 1 that a seed gives again. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The seed to use: that of an earlier run if `BELFRY_CHAOS_SEED` says so. */
export function chooseSeed(): number {
  const given = process.env.BELFRY_CHAOS_SEED;
  return given === undefined ? Math.floor(Math.random() * 2 ** 32) : Number(given);
}
