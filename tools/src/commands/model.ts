import { existsSync } from 'node:fs';
import path from 'node:path';
import { createProviderFile, dealModel, loadProvider, pinFile, pinsInFolder } from '@mozaik/client';
import { PARTY_COUNT, toHex } from '@mozaik/protocol';
import type { Command } from 'commander';
import { AAMI_CLASSES, CLASS_NAMES, readAnnotatedRecord } from '../ecg/index.ts';
import { loadPersons, personFrom, type Person } from '../model/dataset.ts';
import {
  evaluate,
  fixedVerdict,
  readModelFile,
  trainModel,
  type Figures,
  type TrainProgress,
} from '../model/index.ts';
import { MODEL_LABELS, SHIPPED_MODEL } from '../stack/household.ts';
import {
  agentDir,
  agentOptions,
  chooseParties,
  collect,
  jsonOption,
  openApi,
  partyIds,
  wholeNumber,
  type AgentOptions,
} from './options.ts';
import { counted, fields, note, print, table } from './output.ts';

export function modelCommand(program: Command): void {
  const model = program
    .command('model')
    .description('train, look at, measure and deal models that classify heartbeats');
  trainCommand(model);
  showCommand(model);
  evaluateCommand(model);
  dealCommand(model);
}

interface TrainOptions {
  records: string;
  out: string;
  seed: number;
  json?: true;
}

const DEFAULT_SEED = 1;

function trainCommand(model: Command): void {
  const command = model
    .command('train')
    .description('train a model on annotated records; the same records and seed give the same file')
    .requiredOption('--records <dir>', 'folder of WFDB records with .atr annotations')
    .requiredOption('--out <file>', 'model file to write')
    .option('--seed <n>', 'seed of everything random', wholeNumber(0), DEFAULT_SEED);
  jsonOption(command).action(async ({ records, out, seed, json }: TrainOptions) => {
    const { model, training, figures } = await trainModel({
      recordsDir: records,
      out,
      seed,
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
    const { model, training, figures } = await readModelFile(file ?? SHIPPED_MODEL);
    const { name, widths, fractionBits } = model;
    const parameters = [...model.weights, ...model.biases].reduce((n, { length }) => n + length, 0);
    const { data, recordedBeats, syntheticBeats, seed, epochs } = training;
    print(
      json,
      { name, widths, fractionBits, parameters, classes: AAMI_CLASSES, training, figures },
      [
        ...fields({
          name,
          layers: widths.join(' - '),
          parameters,
          'fraction bits': fractionBits,
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

interface EvaluateOptions {
  records: string;
  record?: string[];
  model: string;
  json?: true;
}

function evaluateCommand(model: Command): void {
  const command = model
    .command('evaluate')
    .description(
      'measure a model on annotated records, with the very integers that parties compute',
    )
    .requiredOption('--records <dir>', 'folder of WFDB records with .atr annotations')
    .option('--record <name...>', 'these records only (default: all without a pacemaker)', collect)
    .option('--model <file>', 'model file (default: the one that ships)');
  jsonOption(command).action(async (options: EvaluateOptions) => {
    const { records, record, json } = options;
    const { model: fixed } = await readModelFile(options.model ?? SHIPPED_MODEL);
    const persons = await readPersons(records, record);
    const measure = (beats: Person['beats']) =>
      evaluate(beats, (window) => fixedVerdict(fixed, window));
    const total = measure(persons.flatMap(({ beats }) => beats));
    const perRecord = persons.map(({ name, beats }) => ({ record: name, ...measure(beats) }));
    print(json, { model: fixed.name, ...total, records: perRecord }, [
      ...table([
        ['record', 'heartbeats', 'accuracy', 'anomaly AUC'],
        ...[...perRecord, { record: 'all', ...total }].map((row) => [
          row.record,
          String(row.beats),
          percent(row.accuracy),
          row.anomalyAuc === null ? '-' : row.anomalyAuc.toFixed(4),
        ]),
      ]),
      '',
      ...confusionLines(total),
    ]);
  });
}

async function readPersons(dir: string, names?: string[]): Promise<Person[]> {
  if (names === undefined) return loadPersons(dir);
  const records = await Promise.all(names.map((name) => readAnnotatedRecord(dir, name)));
  return records.map(personFrom);
}

const percent = (part: number | null): string =>
  part === null ? '-' : `${(100 * part).toFixed(2)} %`;

function confusionLines({ confusion, sensitivity, predictivity }: Figures): string[] {
  return table([
    ['annotated as', ...AAMI_CLASSES.map((label) => `as ${label}`), 'sensitivity', 'predictivity'],
    ...AAMI_CLASSES.map((label, i) => [
      `${label} ${CLASS_NAMES[label]}`,
      ...confusion[i].map(String),
      percent(sensitivity[label]),
      percent(predictivity[label]),
    ]),
  ]);
}

interface DealOptions extends AgentOptions {
  parties?: Uint8Array[];
  descriptor?: string[];
}

function dealCommand(model: Command): void {
  const command = model
    .command('deal')
    .argument('<file>', 'model file')
    .description('share a model among three parties, so that none of them learns it')
    .option('--descriptor <file...>', 'pin these signed descriptors of parties first', collect)
    .option(
      '--parties <id...>',
      'ids of the parties (default: the three that are pinned)',
      partyIds,
    );
  agentOptions(command, 'provider').action(async (file: string, options: DealOptions) => {
    const { model } = await readModelFile(file);
    const dir = await agentDir(options, 'provider');
    const isNew = !existsSync(path.join(dir, 'provider.json'));
    const provider = isNew ? await createProviderFile(dir) : await loadProvider(dir);
    if (isNew) note(`made the keys of a new provider in ${dir}`);
    const pins = pinsInFolder(dir);
    for (const descriptor of options.descriptor ?? []) await pinFile(pins, descriptor);
    const parties = await chooseParties(pins, options.parties);
    const api = await openApi(options, provider, 'provider');
    const dealt = toHex(await dealModel(api, pins, model, MODEL_LABELS, parties));
    print(options.json, { model: dealt, name: model.name, provider: toHex(provider.id) }, [
      `${model.name} is dealt to ${counted(PARTY_COUNT, 'party', 'parties')} as ${dealt}`,
    ]);
  });
}
