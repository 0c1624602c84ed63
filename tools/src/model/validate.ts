/** What a recipe's models are worth on beats that they have not learnt from. */
import type { FixedModel } from '@mozaik/mpc';
import type { Beat } from '../ecg/beats.ts';
import { seededRandom } from '../ecg/random.ts';
import type { Example, Person } from './dataset.ts';
import { evaluate, figuresOf, fixedVerdict, floatVerdict } from './evaluate.ts';
import type { Figures, Verdict } from './evaluate.ts';
import { copyModel, type FloatModel } from './network.ts';
import { quantise } from './quantise.ts';

/** Groups of persons in the cross-validation. */
const FOLDS = 4;
/** Part of every person's beats that the mixed split holds out. */
const MIXED_HOLD_OUT = 0.2;
/** Name of models that are measured and thrown away. */
const PASSING = 'validation';

/** Trains on these examples; `stopAfter` epochs, of all when left out. */
export type Fit = (
  stage: string,
  examples: Example[],
  stopAfter?: number,
  eachEpoch?: (model: FloatModel) => void,
) => FloatModel;

export const examplesOf = (persons: Person[]): Example[] =>
  persons.flatMap(({ examples }) => examples);
export const beatsOf = (persons: Person[]): Beat[] => persons.flatMap(({ beats }) => beats);
/** The exactly cut window of each example. */
export const windowsOf = (examples: Example[]): Uint8Array[] =>
  examples.map(({ windows }) => windows[0]);

export const verdictsOf = (model: FixedModel, beats: Beat[]): Verdict[] =>
  beats.map(({ window }) => fixedVerdict(model, window));

/**
 * Epoch (from 1) with the best mean anomaly AUC over the folds. Accuracy would stop too early: most
 * beats are normal, and a model that has learnt nothing else yet is right on them.
 */
function bestEpoch(aucs: number[][]): number {
  const totals = aucs[0].map((_, epoch) => aucs.reduce((sum, fold) => sum + fold[epoch], 0));
  return totals.indexOf(Math.max(...totals)) + 1;
}

/**
 * Cross-validation by person: nobody's beats are on both sides.
 * @param extra examples that every fold may learn from
 * @returns the best number of epochs, and the figures of all held-out beats at it
 */
export function crossValidate(
  persons: Person[],
  extra: Example[],
  fit: Fit,
): { epochs: number; figures: Figures } {
  const folds = Array.from({ length: Math.min(FOLDS, persons.length) }, (_, fold) => {
    const isHeldOut = (i: number): boolean => i % FOLDS === fold;
    const heldOut = beatsOf(persons.filter((_, i) => isHeldOut(i)));
    const examples = [...examplesOf(persons.filter((_, i) => !isHeldOut(i))), ...extra];
    const snapshots: FloatModel[] = [];
    const aucs: number[] = [];
    fit(`cross-validation ${fold + 1}`, examples, undefined, (model) => {
      snapshots.push(copyModel(model));
      // A fold of one kind only has no AUC and no say.
      aucs.push(evaluate(heldOut, (window) => floatVerdict(model, window)).anomalyAuc ?? 0);
    });
    return { heldOut, examples, snapshots, aucs };
  });
  const epochs = bestEpoch(folds.map(({ aucs }) => aucs));
  const verdicts = folds.flatMap(({ heldOut, examples, snapshots }) =>
    verdictsOf(quantise(snapshots[epochs - 1], PASSING, windowsOf(examples)), heldOut),
  );
  return {
    epochs,
    figures: figuresOf(
      folds.flatMap(({ heldOut }) => heldOut),
      verdicts,
    ),
  };
}

/** Figures on a random part of everybody's beats, for a model that has learnt the others. */
export function measureMixed(
  persons: Person[],
  extra: Example[],
  fit: Fit,
  epochs: number,
  seed: number,
): Figures {
  const random = seededRandom(seed);
  const known: Example[] = [];
  const heldOut: Beat[] = [];
  for (const { beats, examples } of persons) {
    beats.forEach((beat, i) => {
      if (random.uniform() < MIXED_HOLD_OUT) heldOut.push(beat);
      else known.push(examples[i]);
    });
  }
  const learnt = [...known, ...extra];
  const model = quantise(fit('mixed split', learnt, epochs), PASSING, windowsOf(learnt));
  return figuresOf(heldOut, verdictsOf(model, heldOut));
}
