/** The whole way from a folder of records to a measured model file. */
import { checkArchitecture, WEIGHT_FRACTION_BITS } from '@mozaik/mpc';
import { SCALARS, SCALARS_FROM } from '@mozaik/firmware';
import { BEAT_SAMPLES, MozaikError } from '@mozaik/protocol';
import { AAMI_CLASSES } from '../ecg/aami.ts';
import type { Beat } from '../ecg/beats.ts';
import { layerBounds, valueBound } from './bounds.ts';
import { loadRecords, personFrom, synthesisePersons } from './dataset.ts';
import { figuresOf, type Figures } from './evaluate.ts';
import { writeModelFile, type ModelFile } from './file.ts';
import type { Activation } from './network.ts';
import { compare, convert } from './quantise.ts';
import { train } from './train.ts';
import { beatsOf, crossValidate, examplesOf, verdictsOf, windowsOf, type Fit } from './validate.ts';

export interface TrainModelOptions {
  /** Folder of WFDB records with `.atr` annotations. */
  recordsDir: string;
  /** Path of the model file to write. */
  out: string;
  /** 0 to 2^32 - 1; the same records and seed give the same file. */
  seed: number;
  onProgress?: (progress: TrainProgress) => void;
  activation?: Activation;
  /** Widths of the hidden layers. */
  hidden?: readonly number[];
  /** Most epochs; the cross-validation finds how many are best. */
  maxEpochs?: number;
  /** Number of synthetic persons to learn from. */
  syntheticPersons?: number;
}

export interface TrainProgress {
  /** What is being done, for people. */
  stage: string;
  epoch: number;
  epochs: number;
  /** Mean weighted cross-entropy of the epoch. */
  loss: number;
}

const DEFAULTS = { activation: 'relu', maxEpochs: 8, syntheticPersons: 8 } as const;
/** Hidden layers that each activation gets when none are given. */
const HIDDEN: Record<Activation, readonly number[]> = { relu: [64, 32], square: [64] };
const SYNTHETIC_BEATS = 260;
/** Seeds of synthetic persons: those to learn from, and those that are only ever measured on. */
export const SYNTHETIC_SEEDS = { train: 1_000, holdOut: 1_000_000 } as const;
const SYNTHETIC_HOLD_OUT_PERSONS = 16;
/**
 * The network reads the window's intervals and comparisons. The beat itself is in the window for
 * others; it teaches a network whom it belongs to, and people it has never seen are classified worse.
 */
const INPUTS = Array.from({ length: SCALARS }, (_, i) => SCALARS_FROM + i);

/**
 * Trains, measures and writes a model. Synchronous but for the files: some minutes at full load for
 * the MIT-BIH database.
 *
 * 1. Cross-validation by person chooses the number of epochs (early stopping) and gives the figures
 *    for persons that the model has never seen.
 * 2. The model itself learns from everything but the synthetic hold-out.
 *
 * All figures are those of the integer model.
 * @throws MozaikError INPUT_FILE for unreadable records, too few of them, or values beyond the ring
 * @throws RangeError for a seed or layers out of range
 */
export async function trainModel(options: TrainModelOptions): Promise<ModelFile> {
  const { recordsDir, out, seed, activation, maxEpochs, ...rest } = { ...DEFAULTS, ...options };
  const widths = [BEAT_SAMPLES, ...(rest.hidden ?? HIDDEN[activation]), AAMI_CLASSES.length];
  checkArchitecture({ widths, fractionBits: WEIGHT_FRACTION_BITS.min });
  if (!Number.isInteger(maxEpochs) || maxEpochs < 1)
    throw new RangeError('train one epoch or more');
  const persons = (await loadRecords(recordsDir)).map((source, i) => personFrom(source, seed + i));
  if (persons.length < 2) {
    throw new MozaikError('INPUT_FILE', `${recordsDir} has fewer than two records to train on`);
  }
  const fit: Fit = (stage, examples, stopAfter = maxEpochs, eachEpoch) =>
    train(examples, {
      widths,
      activation,
      seed,
      inputs: INPUTS,
      // The schedule always spans all epochs, so that stopping early leaves it unchanged till then.
      epochs: maxEpochs,
      onEpoch: (epoch, model, loss) => {
        eachEpoch?.(model());
        rest.onProgress?.({ stage, epoch, epochs: stopAfter, loss });
        return epoch < stopAfter;
      },
    });

  const synthetic = examplesOf(
    synthesisePersons(SYNTHETIC_SEEDS.train, rest.syntheticPersons, SYNTHETIC_BEATS),
  );
  const { epochs, figures: byPerson, records } = crossValidate(persons, synthetic, fit);

  const examples = [...examplesOf(persons), ...synthetic];
  const name = `${activation === 'relu' ? 'mlp' : 'square'}-${widths.join('-')}`;
  const trained = fit('final model', examples, epochs);
  const { fixed, float } = convert(trained, name, windowsOf(examples));
  const recorded = beatsOf(persons);
  const unseen = beatsOf(
    synthesisePersons(SYNTHETIC_SEEDS.holdOut, SYNTHETIC_HOLD_OUT_PERSONS, SYNTHETIC_BEATS),
  );
  const measure = (beats: Beat[]): Figures =>
    figuresOf(beats, verdictsOf(fixed, activation, beats));
  const agreement = compare(
    float,
    fixed,
    [...recorded, ...unseen].map(({ window }) => window),
  );
  const file: ModelFile = {
    model: fixed,
    float,
    training: {
      data: 'WFDB records, all leads, rhythms made of them, and synthetic beats',
      records: persons.map((person) => person.name),
      recordedBeats: recorded.length,
      examples: examples.length,
      syntheticBeats: synthetic.length,
      seed,
      epochs,
      split: 'cross-validation by person for the number of epochs, then everything',
    },
    figures: {
      byPerson: { how: 'held out by person, each fold by its own model', ...byPerson, records },
      synthetic: { how: 'synthetic persons it never saw, by this model', ...measure(unseen) },
      trainingData: { how: 'recorded beats it learnt from, by this model', ...measure(recorded) },
      trainingRecords: Object.fromEntries(
        persons.map(({ name: record, beats }) => [record, measure(beats).accuracy]),
      ),
      floatingPoint: { how: 'this model against itself before rounding', ...agreement },
      largestValues: {
        how: 'by interval analysis, of each layer, beside what may not be reached',
        layers: layerBounds(fixed, activation),
        bound: valueBound(activation),
      },
    },
  };
  await writeModelFile(out, file);
  return file;
}
