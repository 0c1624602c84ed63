/** What a recipe's models are worth on beats that they have not learnt from. */
import type { FixedModel } from '@mozaik/mpc';
import type { Beat } from '../ecg/beats.ts';
import type { Example, Person } from './dataset.ts';
import { evaluate, figuresOf, fixedVerdict, floatVerdict } from './evaluate.ts';
import type { Figures, Verdict } from './evaluate.ts';
import type { Activation, FloatModel } from './network.ts';
import { convert } from './quantise.ts';

/** Groups of persons in the cross-validation. */
const FOLDS = 5;
/** One of so many examples that the integers of a fold's model are chosen on. */
const FOLD_STEP = 20;
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
export const windowsOf = (examples: Example[]): Uint8Array[] =>
  examples.map(({ window }) => window);

export const verdictsOf = (model: FixedModel, activation: Activation, beats: Beat[]): Verdict[] =>
  beats.map(({ window }) => fixedVerdict(model, window, activation));

/** Part of the epochs before which training is never stopped: its rate of learning is still high. */
const SETTLED = 0.75;

/**
 * Epoch (from 1) with the best mean anomaly AUC over the folds, among those at which the learning rate
 * has come down. Accuracy would stop too early: most beats are normal, and a model that has learnt
 * nothing else yet is right on them.
 */
function bestEpoch(aucs: number[][]): number {
  const totals = aucs[0].map((_, epoch) => aucs.reduce((sum, fold) => sum + fold[epoch], 0));
  const first = Math.ceil(SETTLED * totals.length) - 1;
  return totals.indexOf(Math.max(...totals.slice(first)), first) + 1;
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
): { epochs: number; figures: Figures; records: Record<string, Figures> } {
  const folds = Array.from({ length: Math.min(FOLDS, persons.length) }, (_, fold) => {
    const isHeldOut = (i: number): boolean => i % FOLDS === fold;
    const unseen = persons.filter((_, i) => isHeldOut(i));
    const heldOut = beatsOf(unseen);
    const examples = [...examplesOf(persons.filter((_, i) => !isHeldOut(i))), ...extra];
    const snapshots: FloatModel[] = [];
    const aucs: number[] = [];
    fit(`cross-validation ${fold + 1}`, examples, undefined, (model) => {
      snapshots.push(model);
      // A fold of one kind only has no AUC and no say.
      aucs.push(evaluate(heldOut, (window) => floatVerdict(model, window)).anomalyAuc ?? 0);
    });
    return { unseen, examples, snapshots, aucs };
  });
  const epochs = bestEpoch(folds.map(({ aucs }) => aucs));
  const measured = folds.flatMap(({ unseen, examples, snapshots }) => {
    const { fixed, float } = convert(
      snapshots[epochs - 1],
      PASSING,
      windowsOf(examples.filter((_, i) => i % FOLD_STEP === 0)),
    );
    return unseen.map(({ name, beats }) => ({
      name,
      beats,
      verdicts: verdictsOf(fixed, float.activation, beats),
    }));
  });
  return {
    epochs,
    figures: figuresOf(
      measured.flatMap(({ beats }) => beats),
      measured.flatMap(({ verdicts }) => verdicts),
    ),
    records: Object.fromEntries(
      measured
        .filter(({ beats }) => beats.length > 0)
        .map(({ name, beats, verdicts }) => [name, figuresOf(beats, verdicts)]),
    ),
  };
}
