import { MozaikError } from '@mozaik/protocol';
import type { Command } from 'commander';
import { AAMI_CLASSES, CLASS_NAMES, readAnnotatedRecord } from '../ecg/index.ts';
import type { Beat } from '../ecg/beats.ts';
import { isPaced, listen, loadRecords } from '../model/dataset.ts';
import { detectBeats } from '../model/detect.ts';
import {
  figuresOf,
  fixedVerdict,
  floatVerdict,
  jointVerdict,
  readModelFile,
  type Figures,
  type ModelFile,
  type Verdict,
} from '../model/index.ts';
import { classifyJointly } from '../model/joint.ts';
import { SHIPPED_MODEL } from '../stack/household.ts';
import { collect, jsonOption, usageError } from './options.ts';
import { note, print, table } from './output.ts';

interface EvaluateOptions {
  records: string;
  record?: string[];
  model?: string;
  mpc?: true;
  detector?: true;
  json?: true;
}

export function evaluateCommand(model: Command): void {
  const command = model
    .command('evaluate')
    .description('measure a model on annotated records: in floating point, as integers, jointly')
    .requiredOption('--records <dir>', 'folder of WFDB records with .atr annotations')
    .option('--record <name...>', 'these records only (default: all without a pacemaker)', collect)
    .option('--model <file>', 'model file (default: the one that ships)')
    .option('--mpc', 'the joint computation of three parties as well, in this process')
    .option('--detector', "beats where the board's own detector finds them, within 150 ms");
  jsonOption(command).action(async (options: EvaluateOptions) => {
    const file = await readModelFile(options.model ?? SHIPPED_MODEL);
    if (options.mpc && file.float.activation !== 'relu') {
      throw usageError(
        '--mpc takes a model with ReLU: square networks are for encrypted computation',
      );
    }
    const { recorded, detector } = await recordedBeats(options);
    const report: Partial<Record<'float' | 'fixed' | 'mpc', Report>> = {};
    for (const [name, verdicts] of await verdictsOf(file, recorded, options.mpc)) {
      report[name] = reportOf(recorded, verdicts);
    }
    print(options.json, detector === undefined ? report : { ...report, detector }, [
      ...table([
        ['computed', 'heartbeats', 'accuracy', 'anomaly AUC'],
        ...Object.entries(report).map(([name, row]) => [name, ...overview(row)]),
      ]),
      '',
      ...table([
        ['record', 'heartbeats', 'accuracy', 'anomaly AUC'],
        ...report.fixed!.records.map((row) => [row.record, ...overview(row)]),
      ]),
      '',
      ...confusionLines(report.fixed!),
      ...(detector === undefined
        ? []
        : ['', `detector: ${detector.missed} missed, ${detector.extra} found where none is`]),
    ]);
  });
}

interface Recorded {
  record: string;
  beats: Beat[];
}

async function recordedBeats({ records, record, detector }: EvaluateOptions) {
  const sources =
    record === undefined
      ? await loadRecords(records)
      : await Promise.all(record.map((name) => readAnnotatedRecord(records, name)));
  const paced = sources.find(isPaced);
  if (paced) throw new MozaikError('INPUT_FILE', `record ${paced.record.name} has paced beats`);
  const found = sources.map((source) => ({
    record: source.record.name,
    ...(detector ? detectBeats(source) : { ...listen(source), missed: 0, extra: 0 }),
  }));
  const recorded: Recorded[] = found.filter(({ beats }) => beats.length > 0);
  if (recorded.length === 0) {
    throw new MozaikError('INPUT_FILE', `${records} has no annotated heartbeats`);
  }
  const sum = (key: 'missed' | 'extra') => found.reduce((total, one) => total + one[key], 0);
  return {
    recorded,
    detector: detector ? { missed: sum('missed'), extra: sum('extra') } : undefined,
  };
}

/** One verdict on each beat of all records in order, by each way of computing. */
async function verdictsOf(
  { model, float }: ModelFile,
  recorded: Recorded[],
  mpc?: true,
): Promise<['float' | 'fixed' | 'mpc', Verdict[]][]> {
  const windows = recorded.flatMap(({ beats }) => beats.map(({ window }) => window));
  const fixed = windows.map((window) => fixedVerdict(model, window, float.activation));
  const plain: ['float' | 'fixed', Verdict[]][] = [
    ['float', windows.map((window) => floatVerdict(float, window))],
    ['fixed', fixed],
  ];
  if (!mpc) return plain;
  const { classes, margins } = await classifyJointly(model, windows, (done) =>
    note(`${done} of ${windows.length} heartbeats classified jointly`),
  );
  return [...plain, ['mpc', classes.map((at, i) => jointVerdict(model, at, margins[i]))]];
}

interface Scores {
  beats: number;
  accuracy: number;
  anomalyAuc: number | null;
  classes: Record<string, { sensitivity: number | null; predictivity: number | null }>;
  confusion: number[][];
}

interface Report extends Scores {
  records: (Scores & { record: string })[];
}

const scoresOf = ({ beats, accuracy, anomalyAuc, ...rest }: Figures): Scores => ({
  beats,
  accuracy,
  anomalyAuc,
  classes: Object.fromEntries(
    AAMI_CLASSES.map((label) => [
      label,
      { sensitivity: rest.sensitivity[label], predictivity: rest.predictivity[label] },
    ]),
  ),
  confusion: rest.confusion,
});

function reportOf(recorded: Recorded[], verdicts: Verdict[]): Report {
  let at = 0;
  const records = recorded.map(({ record, beats }) => {
    const own = verdicts.slice(at, (at += beats.length));
    return { record, ...scoresOf(figuresOf(beats, own)) };
  });
  const all = recorded.flatMap(({ beats }) => beats);
  return { ...scoresOf(figuresOf(all, verdicts)), records };
}

const percent = (part: number | null): string =>
  part === null ? '-' : `${(100 * part).toFixed(2)} %`;

const overview = ({ beats, accuracy, anomalyAuc }: Scores): string[] => [
  String(beats),
  percent(accuracy),
  anomalyAuc === null ? '-' : anomalyAuc.toFixed(4),
];

function confusionLines({ confusion, classes }: Scores): string[] {
  return table([
    ['annotated as', ...AAMI_CLASSES.map((label) => `as ${label}`), 'sensitivity', 'predictivity'],
    ...AAMI_CLASSES.map((label, i) => [
      `${label} ${CLASS_NAMES[label]}`,
      ...confusion[i].map(String),
      percent(classes[label].sensitivity),
      percent(classes[label].predictivity),
    ]),
  ]);
}
