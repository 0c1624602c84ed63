/**
 * Shapes of synthetic beats: the P, Q, R, S and T events of McSharry et al. 2003, Table I, and what
 * changes in premature beats.
 *
 * The paper gives an event's place and width as angles at 60 beats per minute. Here they are times,
 * so that a QRS complex keeps its width when one interval is short and the next long, as it does in
 * the heart; the synthesiser turns them back into angles for each interval.
 */
import type { Random } from './random.ts';

export interface WaveEvent {
  /** Seconds after the R peak; negative is before. */
  at: number;
  /** Height, millivolts. */
  height: number;
  /** Standard deviation of the bump, seconds. */
  width: number;
}

export type BeatKind = 'N' | 'V' | 'S';
export type Morphology = Record<BeatKind, WaveEvent[]>;

/** At 60 beats per minute an angle in Table I passes in this time, seconds per radian. */
const SECONDS_PER_RADIAN = 1 / (2 * Math.PI);

/** Table I: angle, a and b of each event. */
const TABLE_I = [
  { name: 'P', angle: -Math.PI / 3, a: 1.2, b: 0.25 },
  { name: 'Q', angle: -Math.PI / 12, a: -5, b: 0.1 },
  { name: 'R', angle: 0, a: 30, b: 0.1 },
  { name: 'S', angle: Math.PI / 12, a: -7.5, b: 0.1 },
  { name: 'T', angle: Math.PI / 2, a: 0.75, b: 0.4 },
] as const;

/** Height of R, millivolts, that the table's relative heights a b^2 are scaled to. */
const R_MILLIVOLTS = 1.2;
const R_RELATIVE = 30 * 0.1 ** 2;

/** How far persons differ, as a fraction of each height and width. */
const PERSONAL_SPREAD = 0.2;

/**
 * The beat shapes of one synthetic person at one heart rate. P, Q, S and T move with the square root
 * of the mean interval (Bazett's law, as in the paper's section II-B).
 */
export function personMorphology(random: Random, meanSeconds: number): Morphology {
  const stretch = Math.sqrt(meanSeconds);
  const vary = (): number => random.between(1 - PERSONAL_SPREAD, 1 + PERSONAL_SPREAD);
  const normal = TABLE_I.map(({ angle, a, b }) => ({
    at: angle * SECONDS_PER_RADIAN * stretch,
    height: ((a * b ** 2) / R_RELATIVE) * R_MILLIVOLTS * vary(),
    width: b * SECONDS_PER_RADIAN * stretch * vary(),
  }));
  const [p, q, r, s, t] = normal;
  // Conducted normally from an ectopic atrial focus: other P, same narrow QRS, and the shorter
  // repolarisation of a beat that follows a short interval.
  const supraventricular = [
    { at: p.at * 0.75, height: -0.6 * p.height, width: p.width * 0.7 },
    q,
    { ...r, height: r.height * random.between(0.85, 1) },
    { ...s, height: s.height * random.between(1, 1.4) },
    { ...t, at: t.at * 0.82, width: t.width * 0.8, height: t.height * random.between(0.7, 0.9) },
  ];
  // Starts in the ventricles: no P, a wide tall QRS, and a T against it.
  const wide = r.width * random.between(1.9, 2.4);
  const ventricular = [
    { at: 0, height: r.height * random.between(1.5, 2), width: wide },
    { at: 2.6 * wide, height: -r.height * random.between(0.2, 0.4), width: wide },
    { at: t.at * 1.1, height: -t.height * random.between(1.1, 1.6), width: t.width },
  ];
  return { N: normal, S: supraventricular, V: ventricular };
}
