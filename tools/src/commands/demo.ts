import { InvalidArgumentError, Option, type Command } from 'commander';
import { MozaikError, type Adversary } from '@mozaik/protocol';
import { classAgreement, demoSummary, runDemo, type DemoReport } from '../demo/demo.ts';
import { comparisonRows, printReport } from '../demo/report.ts';
import type { ComputePath } from '../stack/stack.ts';
import { adversaryOption, positiveInteger, usageError } from './options.ts';
import { printJson, printLine, table } from './output.ts';

/** Least agreement with the plaintext: what is homomorphic is approximate. */
const LEAST_AGREEMENT: Record<ComputePath, number> = { joint: 1, fhe: 0.995 };

interface Options {
  path: ComputePath | 'both';
  records?: string;
  record?: string;
  beats: number;
  boards: number;
  rate: number;
  seed: number;
  model?: string;
  adversary: Adversary;
  json?: true;
}

export function demoCommand(program: Command): void {
  program
    .command('demo')
    .description(
      'run the whole path on this machine: boards, broker, three parties or a server, user',
    )
    .addOption(
      new Option('--path <path>', 'joint computation by three, homomorphic by one, or both in turn')
        .choices(['joint', 'fhe', 'both'])
        .default('joint'),
    )
    .option('--records <dir>', 'replay a WFDB record from this folder (default: synthesise)')
    .option('--record <name>', 'name of the record, such as 208')
    .option('--beats <n>', 'heartbeats in all', positiveInteger, 64)
    .option('--boards <n>', 'simulated boards (default: 2, or 1 with --records)', positiveInteger)
    .option('--rate <n>', 'heartbeats per second and board', positiveInteger, 16)
    .option('--seed <n>', 'seed of the synthesiser', positiveInteger, 1)
    .option('--model <file>', 'model file (default: the one that ships)')
    .addOption(adversaryOption())
    .option('--json', 'end with one line of JSON on standard output, progress on standard error')
    .action(async (options: Options) => {
      const { records, record, json, model, beats, rate, seed, adversary } = options;
      if ((records === undefined) !== (record === undefined)) {
        throw new InvalidArgumentError('--records and --record go together');
      }
      if (options.path === 'both' && model !== undefined) {
        throw usageError('--path both runs the models that ship: leave --model out');
      }
      const run = (path: ComputePath): Promise<DemoReport> => {
        const started = performance.now();
        return runDemo({
          ...{ path, beats, rate, seed, adversary },
          boards: options.boards ?? (records === undefined ? 2 : 1),
          ...(records !== undefined && record !== undefined
            ? { recording: { dir: records, name: record } }
            : {}),
          ...(model === undefined ? {} : { modelFile: model }),
          onProgress: (text) => {
            const seconds = ((performance.now() - started) / 1000).toFixed(1).padStart(5);
            process.stderr.write(`[${seconds} s] ${text}\n`);
          },
        });
      };
      if (options.path === 'both') {
        const [joint, fhe] = [await run('joint'), await run('fhe')];
        const agreement = classAgreement(joint, fhe);
        if (json) {
          const both = { joint: demoSummary(joint), fhe: demoSummary(fhe) };
          printJson({ path: 'both', ...both, classAgreement: agreement });
        } else {
          for (const report of [joint, fhe]) printReport(report, printLine);
          printLine('');
          for (const line of table(comparisonRows(joint, fhe))) printLine(line);
        }
        for (const report of [joint, fhe]) check(report);
        return;
      }
      const report = await run(options.path);
      if (json) printJson(demoSummary(report));
      else printReport(report, printLine);
      check(report);
    });
}

/** @throws MozaikError RESULT_INVALID when a run was not as it should be */
function check(report: DemoReport): void {
  const { failed, agreement } = demoSummary(report);
  if (failed > 0 || agreement < LEAST_AGREEMENT[report.path]) {
    throw new MozaikError('RESULT_INVALID', `${failed} heartbeats failed, agreement ${agreement}`);
  }
}
