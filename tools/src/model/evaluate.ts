/** Figures of a classifier on labelled beats, by the usual definitions of ANSI/AAMI EC57. */
import type { FixedModel } from '@mozaik/mpc';
import { AAMI_CLASSES, isAnomaly, type AamiClass } from '../ecg/aami.ts';
import type { Beat } from '../ecg/beats.ts';
import { fixedClass, fixedLogits, logitFractionBits } from './fixed.ts';
import { floatLogits, type Activation, type FloatModel } from './network.ts';

export interface Figures {
  beats: number;
  /** Part of the beats whose class is right. */
  accuracy: number;
  /** [true class][predicted class], in class order. A window without a winner is in no column. */
  confusion: number[][];
  /** Per class, part of its beats that are found; null for a class that does not occur. */
  sensitivity: Record<AamiClass, number | null>;
  /** Per class, part of what is called so that is; null for a class that is never called. */
  predictivity: Record<AamiClass, number | null>;
  /** Area under the ROC curve of "any class but normal"; null when only one kind occurs. */
  anomalyAuc: number | null;
}

/** What a classifier says of one window: a class (-1 for none) and how abnormal it looks. */
export interface Verdict {
  class: number;
  /** Largest logit of the abnormal classes minus that of the normal one. */
  score: number;
}

/** Figures are given to four decimals: more would be noise on this many beats. */
const round = (value: number): number => Math.round(value * 1e4) / 1e4;

const scoreOf = (values: ArrayLike<number>): number =>
  Math.max(...Array.from(values).slice(1)) - values[0];

export function floatVerdict(model: FloatModel, window: Uint8Array): Verdict {
  const values = floatLogits(model, window);
  return { class: values.indexOf(Math.max(...values)), score: scoreOf(values) };
}

/** By the integer network; a ReLU network gives the very class of the joint computation. */
export const fixedVerdict = (
  model: FixedModel,
  window: Uint8Array,
  activation: Activation = 'relu',
): Verdict => ({
  class: fixedClass(model, activation, window),
  score:
    scoreOf(fixedLogits(model, activation, window)) / 2 ** logitFractionBits(model, activation),
});

/**
 * Of what a joint computation opens: class and margin, nothing else. The score of a normal beat is its
 * own negative margin; of an abnormal one the margin before the second, which may be abnormal as well.
 */
export const jointVerdict = (model: FixedModel, winner: number, margin: number): Verdict => ({
  class: winner,
  score: ((winner === 0 ? -1 : 1) * margin) / 2 ** logitFractionBits(model, 'relu'),
});

/** Area under the ROC curve as the normalised Mann-Whitney statistic, ties counting half. */
export function areaUnderCurve(scores: number[], positive: boolean[]): number | null {
  const order = scores.map((_, i) => i).sort((a, b) => scores[a] - scores[b]);
  let rankSum = 0;
  let positives = 0;
  for (let i = 0; i < order.length;) {
    let end = i;
    while (end < order.length && scores[order[end]] === scores[order[i]]) end++;
    for (let k = i; k < end; k++) {
      if (!positive[order[k]]) continue;
      positives++;
      rankSum += (i + end + 1) / 2;
    }
    i = end;
  }
  const pairs = positives * (order.length - positives);
  return pairs === 0 ? null : (rankSum - (positives * (positives + 1)) / 2) / pairs;
}

/** Figures of verdicts on beats, in the same order. @throws RangeError without beats */
export function figuresOf(beats: Beat[], verdicts: Verdict[]): Figures {
  if (beats.length === 0 || verdicts.length !== beats.length) {
    throw new RangeError('measuring takes beats and one verdict on each');
  }
  const confusion = AAMI_CLASSES.map(() => AAMI_CLASSES.map(() => 0));
  beats.forEach(({ label }, i) => {
    if (verdicts[i].class >= 0) confusion[AAMI_CLASSES.indexOf(label)][verdicts[i].class]++;
  });
  const totals = AAMI_CLASSES.map((name) => beats.filter(({ label }) => label === name).length);
  const called = AAMI_CLASSES.map((_, c) => confusion.reduce((sum, row) => sum + row[c], 0));
  const perClass = (whole: number[]): Record<AamiClass, number | null> =>
    Object.fromEntries(
      AAMI_CLASSES.map((name, c) => [
        name,
        whole[c] === 0 ? null : round(confusion[c][c] / whole[c]),
      ]),
    ) as Record<AamiClass, number | null>;
  const auc = areaUnderCurve(
    verdicts.map(({ score }) => score),
    beats.map(({ label }) => isAnomaly(label)),
  );
  return {
    beats: beats.length,
    accuracy: round(AAMI_CLASSES.reduce((sum, _, c) => sum + confusion[c][c], 0) / beats.length),
    confusion,
    sensitivity: perClass(totals),
    predictivity: perClass(called),
    anomalyAuc: auc === null ? null : round(auc),
  };
}

/** Measures a classifier on beats. @throws RangeError without beats */
export const evaluate = (beats: Beat[], verdict: (window: Uint8Array) => Verdict): Figures =>
  figuresOf(
    beats,
    beats.map(({ window }) => verdict(window)),
  );
