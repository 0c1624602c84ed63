/**
 * Variation of training windows: what differs between persons, electrodes and detectors but not
 * between classes, so that a model does not learn it.
 */
import type { Random } from '../ecg/random.ts';

/** Waves of a beat last this much more or less. */
const STRETCH = 0.12;
/** Baseline wander across a window, of full scale: a slope and a bow. */
const WANDER = 0.2;
/** Noise, of full scale. */
const NOISE = 0.03;
/** Normal deviates drawn once: a fresh run of them for each window costs no logarithms. */
const NOISE_SAMPLES = 1 << 14;

/**
 * A function that fills `out` with a varied version of a window, as fractions of 256 like
 * `loadWindow`; the zeros after the window's valid part stay where they are.
 */
export function augmenter(random: Random): (window: Uint8Array, out: Float32Array) => void {
  const noise = Float32Array.from({ length: NOISE_SAMPLES }, () => NOISE * random.normal());
  return (window, out) => {
    let valid = window.length;
    while (valid > 0 && window[valid - 1] === 0) valid--;
    const rate = 1 + random.between(-STRETCH, STRETCH);
    const slope = random.between(-WANDER, WANDER);
    const bow = random.between(-WANDER, WANDER);
    const from = random.below(NOISE_SAMPLES - window.length);
    let low = Infinity;
    let high = -Infinity;
    out.fill(0);
    for (let i = 0; i < valid; i++) {
      const at = i * rate < valid - 1 ? i * rate : valid - 1;
      const left = at | 0;
      const right = left + 1 < valid ? left + 1 : left;
      const value = window[left] + (at - left) * (window[right] - window[left]);
      const t = i / valid;
      const x = value / 255 + slope * t + 4 * bow * t * (1 - t) + noise[from + i];
      out[i] = x;
      if (x < low) low = x;
      if (x > high) high = x;
    }
    const scale = high > low ? 255 / 256 / (high - low) : 0;
    for (let i = 0; i < valid; i++) out[i] = (out[i] - low) * scale;
  };
}
