/**
 * Rational resampling with a windowed-sinc low-pass (Oppenheim & Schafer, "Discrete-Time Signal
 * Processing", section 4.6): up by L, filter, down by M, computed one phase at a time.
 */

/** Zero crossings of the sinc on each side; sets how steep the low-pass is. */
const ZERO_CROSSINGS = 8;
/** Cut-off as a fraction of the lower Nyquist rate: leaves room for the transition band. */
const CUTOFF = 0.9;

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));

/** Filter taps of each of the `up` phases, with a gain of exactly one for a constant. */
function phases(up: number, down: number): { taps: Float64Array[]; reach: number } {
  // Band edge relative to the input's Nyquist rate.
  const band = CUTOFF * Math.min(1, up / down);
  const reach = Math.ceil(ZERO_CROSSINGS / band);
  const taps = Array.from({ length: up }, (_, phase) => {
    const h = new Float64Array(2 * reach + 1);
    for (let i = 0; i < h.length; i++) {
      const t = i - reach - phase / up;
      const x = Math.PI * band * t;
      // Hann window over the sinc's span.
      const window = Math.abs(t) < reach ? 0.5 + 0.5 * Math.cos((Math.PI * t) / reach) : 0;
      h[i] = (x === 0 ? 1 : Math.sin(x) / x) * window;
    }
    const sum = h.reduce((a, b) => a + b, 0);
    return h.map((tap) => tap / sum);
  });
  return { taps, reach };
}

/**
 * Resamples integers from one rate to another. Output sample n is at time n / toHz; ends are
 * continued with the first and last value; results are rounded to the nearest integer.
 * @throws RangeError when the rates are not positive integers
 */
export function resample(samples: Int16Array, fromHz: number, toHz: number): Int16Array {
  if (!Number.isInteger(fromHz) || !Number.isInteger(toHz) || fromHz < 1 || toHz < 1) {
    throw new RangeError('sampling rates are positive integers');
  }
  if (fromHz === toHz || samples.length === 0) return samples.slice();
  const divisor = gcd(fromHz, toHz);
  const up = toHz / divisor;
  const down = fromHz / divisor;
  const { taps, reach } = phases(up, down);
  const last = samples.length - 1;
  const out = new Int16Array(Math.floor((last * up) / down) + 1);
  for (let n = 0; n < out.length; n++) {
    const centre = Math.floor((n * down) / up);
    const h = taps[(n * down) % up];
    let sum = 0;
    for (let i = 0; i < h.length; i++) {
      const at = centre - reach + i;
      sum += h[i] * samples[at < 0 ? 0 : at > last ? last : at];
    }
    out[n] = Math.min(32767, Math.max(-32768, Math.round(sum)));
  }
  return out;
}
