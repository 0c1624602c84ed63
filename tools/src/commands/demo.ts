import { InvalidArgumentError, type Command } from 'commander';
import { MozaikError, type Adversary } from '@mozaik/protocol';
import { demoSummary, runDemo } from '../demo/demo.ts';
import { printReport } from '../demo/report.ts';
import { adversaryOption, positiveInteger } from './options.ts';

interface Options {
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
    .description('run the whole path on this machine: boards, broker, three parties, user')
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
      const started = performance.now();
      const report = await runDemo({
        beats,
        rate,
        seed,
        adversary,
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
      const summary = demoSummary(report);
      if (json) process.stdout.write(`${JSON.stringify(summary)}\n`);
      else printReport(report, (line) => process.stdout.write(`${line}\n`));
      if (summary.failed > 0 || summary.agreement < 1) {
        throw new MozaikError(
          'RESULT_INVALID',
          `${summary.failed} heartbeats failed, agreement ${summary.agreement}`,
        );
      }
    });
}
