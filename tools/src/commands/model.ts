import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  createProviderFile,
  dealModel,
  dealSquareModel,
  loadProvider,
  pinFile,
  pinsInFolder,
} from '@mozaik/client';
import { PARTY_COUNT, toHex } from '@mozaik/protocol';
import { Option, type Command } from 'commander';
import { AAMI_CLASSES, CLASS_NAMES } from '../ecg/index.ts';
import { errorBound } from '../model/error-bound.ts';
import { readModelFile, trainModel, type TrainProgress } from '../model/index.ts';
import type { Activation } from '../model/network.ts';
import { MODEL_LABELS, SHIPPED_MODEL } from '../stack/household.ts';
import { evaluateCommand } from './model-evaluate.ts';
import { importCommand } from './model-import.ts';
import {
  agentDir,
  agentOptions,
  chooseParties,
  collect,
  jsonOption,
  openApi,
  partyIds,
  positiveInteger,
  wholeNumber,
  type AgentOptions,
} from './options.ts';
import { counted, fields, note, print, table } from './output.ts';

export function modelCommand(program: Command): void {
  const model = program
    .command('model')
    .description('train, import, look at, measure and deal models that classify heartbeats');
  trainCommand(model);
  showCommand(model);
  evaluateCommand(model);
  importCommand(model);
  dealCommand(model);
}

interface TrainOptions {
  records: string;
  out: string;
  seed: number;
  activation: Activation;
  hidden?: number[];
  json?: true;
}

const DEFAULT_SEED = 1;

const widths = (text: string, given: number[] = []): number[] => [...given, positiveInteger(text)];

function trainCommand(model: Command): void {
  const command = model
    .command('train')
    .description('train a model on annotated records; the same records and seed give the same file')
    .requiredOption('--records <dir>', 'folder of WFDB records with .atr annotations')
    .requiredOption('--out <file>', 'model file to write')
    .option('--seed <n>', 'seed of everything random', wholeNumber(0), DEFAULT_SEED)
    .addOption(
      new Option('--activation <name>', 'relu for joint computation, square for encrypted')
        .choices(['relu', 'square'])
        .default('relu'),
    )
    .option('--hidden <width...>', 'widths of the hidden layers (default: by activation)', widths);
  jsonOption(command).action(async ({ records, out, json, ...rest }: TrainOptions) => {
    const { model, training, figures } = await trainModel({
      recordsDir: records,
      out,
      ...rest,
      onProgress: ({ stage, epoch, epochs, loss }: TrainProgress) =>
        note(`${stage}: epoch ${epoch} of at most ${epochs}, loss ${loss.toFixed(4)}`),
    });
    print(json, { file: out, name: model.name, training, figures }, [
      `${model.name} is in ${out}`,
      ...figureLines(figures),
    ]);
  });
}

/** The accuracy under each of a model file's figures, which are for people and not checked. */
function figureLines(figures: Record<string, unknown>): string[] {
  const rows = Object.values(figures).flatMap((value) => {
    const { how, accuracy, anomalyAuc } = Object(value) as Record<string, unknown>;
    return typeof how === 'string' && typeof accuracy === 'number'
      ? [[how, String(accuracy), String(anomalyAuc)]]
      : [];
  });
  return rows.length === 0
    ? []
    : ['', ...table([['measured', 'accuracy', 'anomaly AUC'], ...rows])];
}

function showCommand(model: Command): void {
  const command = model
    .command('show')
    .argument('[file]', 'model file (default: the one that ships)')
    .description('show what a model is, how it was trained and how it was measured');
  jsonOption(command).action(async (file: string | undefined, { json }: { json?: true }) => {
    const { model, float, training, figures } = await readModelFile(file ?? SHIPPED_MODEL);
    const { activation } = float;
    const { name, widths, fractionBits } = model;
    const parameters = [...model.weights, ...model.biases].reduce((n, { length }) => n + length, 0);
    const bound = errorBound(float, model);
    const { data, recordedBeats, syntheticBeats, seed, epochs } = training;
    print(
      json,
      {
        ...{ name, widths, activation, fractionBits, parameters },
        ...{ classes: AAMI_CLASSES, errorBound: bound, training, figures },
      },
      [
        ...fields({
          name,
          layers: widths.join(' - '),
          activation,
          parameters,
          'fraction bits': fractionBits,
          rounding: `at most ${(100 * bound.relative).toFixed(2)} % of the largest logit, whatever the window`,
          classes: AAMI_CLASSES.map((label) => `${label} ${CLASS_NAMES[label]}`).join(', '),
          'trained on': String(data),
          heartbeats: `${String(recordedBeats)} recorded, ${String(syntheticBeats)} synthetic`,
          'seed, epochs': `${String(seed)}, ${String(epochs)}`,
        }),
        ...figureLines(figures),
      ],
    );
  });
}

interface DealOptions extends AgentOptions {
  parties?: Uint8Array[];
  descriptor?: string[];
}

function dealCommand(model: Command): void {
  const command = model
    .command('deal')
    .argument('<file>', 'model file')
    .description(
      'share a model among three parties, so that none of them learns it; one with squares is sealed to a server',
    )
    .option('--descriptor <file...>', 'pin these signed descriptors of parties first', collect)
    .option(
      '--parties <id...>',
      'ids of the parties or the server (default: those that are pinned)',
      partyIds,
    );
  agentOptions(command, 'provider').action(async (file: string, options: DealOptions) => {
    const { model, float } = await readModelFile(file);
    // On shares there is ReLU between layers, on homomorphic ciphertexts there are squares.
    const path = float.activation === 'square' ? 'fhe' : 'joint';
    const dir = await agentDir(options, 'provider');
    const isNew = !existsSync(join(dir, 'provider.json'));
    const provider = isNew ? await createProviderFile(dir) : await loadProvider(dir);
    if (isNew) note(`made the keys of a new provider in ${dir}`);
    const pins = pinsInFolder(dir);
    for (const descriptor of options.descriptor ?? []) await pinFile(pins, descriptor);
    const parties = await chooseParties(pins, path, options.parties);
    const api = await openApi(options, provider, 'provider');
    const { name } = model;
    const dealt = toHex(
      path === 'fhe'
        ? await dealSquareModel(api, pins, { name, ...float }, MODEL_LABELS, parties[0])
        : await dealModel(api, pins, model, MODEL_LABELS, parties),
    );
    const whom = path === 'fhe' ? 'a server' : counted(PARTY_COUNT, 'party', 'parties');
    print(options.json, { model: dealt, name, provider: toHex(provider.id) }, [
      `${name} is dealt to ${whom} as ${dealt}`,
    ]);
  });
}
