/** A network and windows for tests, the same in each run. */
import type { SquareNetwork } from '../src/network.ts';

/** Uniform in [0, 1): mulberry32, by T. Ettinger, public domain. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function randomNetwork(seed: number, hidden = 64, outputs = 5): SquareNetwork {
  const random = seeded(seed);
  const normal = () => random() + random() + random() - 1.5;
  const layer = (inputs: number, width: number) => ({
    outputs: width,
    weights: Float64Array.from({ length: inputs * width }, () => normal() / Math.sqrt(inputs / 2)),
    bias: Float64Array.from({ length: width }, normal),
  });
  return { inputs: 187, inputScale: 1 / 256, layers: [layer(187, hidden), layer(hidden, outputs)] };
}

export function randomWindows(seed: number, count: number): Uint8Array[] {
  const random = seeded(seed);
  return Array.from({ length: count }, () =>
    Uint8Array.from({ length: 187 }, () => random() * 256),
  );
}
