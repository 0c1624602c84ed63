/** What honest parties say at the end of a job: shares of the outcomes. */
import { randomBytes } from 'node:crypto';
import type { ResultShare } from '@mozaik/protocol';
import { parties } from './fixtures.ts';

export interface Outcome {
  authentic: boolean;
  /** One bit for each class. */
  mask: number;
  /** Ring element: a margin with 8 + fractionBits fractional bits. */
  margin: number;
}

/** Result shares of the three parties, for the hash of a job and its consent. */
export function shareOutcomes(
  outcomes: Outcome[],
  job: Uint8Array,
  consent: Uint8Array,
): ResultShare[] {
  const count = outcomes.length;
  const classes = [0, 1, 2].map(() => new Uint8Array(randomBytes(2 * count)));
  const margins = [0, 1, 2].map(() => new Uint8Array(randomBytes(3 * count)));
  const margin24 = (share: Uint8Array, i: number) =>
    share[3 * i] + 256 * share[3 * i + 1] + 65_536 * share[3 * i + 2];
  outcomes.forEach(({ mask, margin }, i) => {
    for (const k of [0, 1]) {
      classes[2][2 * i + k] = (mask >> (8 * k)) ^ classes[0][2 * i + k] ^ classes[1][2 * i + k];
    }
    const rest = margin - margin24(margins[0], i) - margin24(margins[1], i);
    for (const k of [0, 1, 2]) margins[2][3 * i + k] = rest >> (8 * k);
  });
  return parties.map(({ identity }, index) => ({
    v: 1,
    job,
    consent,
    party: identity.id,
    index,
    protocol: 'replicated3-malicious',
    authentic: Uint8Array.from(outcomes, ({ authentic }) => Number(authentic)),
    classFirst: Uint8Array.from(classes[index]),
    classSecond: Uint8Array.from(classes[(index + 1) % 3]),
    marginFirst: Uint8Array.from(margins[index]),
    marginSecond: Uint8Array.from(margins[(index + 1) % 3]),
  }));
}
