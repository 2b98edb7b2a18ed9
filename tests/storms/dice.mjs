// Chance that can be repeated: SEED=number in the environment, or another one each time.
import { randomInt } from "node:crypto";

export const seed = Number(process.env.SEED ?? randomInt(2 ** 31));

// mulberry32: small, good enough, and the same everywhere.
export function dice(state) {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
