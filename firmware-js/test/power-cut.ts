/** Power that fails in the middle of a write, and chance that can be repeated. */

/** Thrown where the power fails: nothing after it runs. */
export class PowerCut extends Error {}

/** Has the power fail at the write or erasure after so many, wherever it is. */
export function cutAfter(flashes: { isCut: () => boolean }[], writes: number): void {
  let left = writes;
  for (const flash of flashes) flash.isCut = () => left-- === 0;
}

/** Integers from 0 to n - 1. */
export function randomBelow(seed: number): (n: number) => number {
  return (n) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * n);
  };
}
