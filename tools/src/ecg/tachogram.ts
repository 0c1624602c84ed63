/**
 * Heart-rate variability: RR intervals with the bimodal power spectrum of McSharry et al. 2003, eq. 3,
 * a Mayer wave near 0.1 Hz and respiratory sinus arrhythmia near 0.25 Hz.
 */
import type { Random } from './random.ts';

/** Centre and spread of each band, Hz, and the ratio of their powers (McSharry et al. 2003, II-A). */
export const SPECTRUM = {
  mayerHz: 0.1,
  respirationHz: 0.25,
  spreadHz: 0.01,
  lowToHigh: 0.5,
} as const;

/** Sinusoids per band; enough that their sum is close to a Gaussian process. */
const SINUSOIDS = 24;

/**
 * A stationary RR process of time (seconds), in seconds. Each band is a sum of sinusoids of equal
 * power whose frequencies are drawn from the band's Gaussian, so that it does not repeat as a
 * discrete Fourier synthesis would.
 */
export function tachogram(
  random: Random,
  meanSeconds: number,
  deviationSeconds: number,
): (seconds: number) => number {
  const variance = deviationSeconds ** 2;
  const high = variance / (1 + SPECTRUM.lowToHigh);
  const bands = [
    { centre: SPECTRUM.mayerHz, power: variance - high },
    { centre: SPECTRUM.respirationHz, power: high },
  ];
  const waves = bands.flatMap(({ centre, power }) =>
    Array.from({ length: SINUSOIDS }, () => ({
      angular: 2 * Math.PI * (centre + SPECTRUM.spreadHz * random.normal()),
      phase: 2 * Math.PI * random.uniform(),
      amplitude: Math.sqrt((2 * power) / SINUSOIDS),
    })),
  );
  return (seconds) =>
    waves.reduce(
      (sum, w) => sum + w.amplitude * Math.sin(w.angular * seconds + w.phase),
      meanSeconds,
    );
}
