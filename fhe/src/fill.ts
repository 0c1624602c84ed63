/** Random values for the slots of a reply that answer nothing: they would hold sums over the model. */
import { randomFillSync } from 'node:crypto';
import type { Encoder } from './encoder.ts';
import { FILL, PARAMETERS, SCALES, type Layout } from './parameters.ts';

/**
 * The polynomial that is added to a reply: zero in the slots that are used, complex values uniform in
 * a square in all others, at the scale of the logits.
 */
export function fillPolynomial(
  layout: Layout,
  encoder: Encoder,
  isUsed: (slot: number) => boolean,
): Float64Array {
  const slots = PARAMETERS[layout].degree / 2;
  const random = randomFillSync(new Uint32Array(2 * slots));
  const values = Float64Array.from(random, (word) => (word / 2 ** 31 - 1) * FILL[layout]);
  const real = values.subarray(0, slots);
  const imaginary = values.subarray(slots);
  for (let slot = 0; slot < slots; slot++) {
    if (isUsed(slot)) real[slot] = imaginary[slot] = 0;
  }
  return encoder.encode(real, imaginary, SCALES[layout].logits);
}
