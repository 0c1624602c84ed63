import type { Command } from 'commander';
import { benchPipeline } from '../bench/pipeline.ts';
import type { Adversary } from '@mozaik/protocol';
import { adversaryOption, numberWithin, positiveInteger } from './options.ts';

interface Options {
  batch: number;
  runs: number;
  latencyMs: number;
  adversary: Adversary;
  json?: true;
}

export function benchCommand(program: Command): void {
  const bench = program.command('bench').description('measure speed on this machine');
  bench
    .command('pipeline')
    .description(
      'decryption, tag check, conversion, inference and arg-max by three processes over TLS',
    )
    .option('--batch <n>', 'heartbeats side by side', positiveInteger, 64)
    .option('--runs <n>', 'counted runs, after some that warm up', positiveInteger, 5)
    .option(
      '--latency-ms <ms>',
      'time that every message takes in addition',
      numberWithin(0, 10_000),
      0,
    )
    .addOption(adversaryOption())
    .option('--json', 'print one line of JSON')
    .action(async ({ batch, runs, latencyMs, adversary, json }: Options) => {
      const report = await benchPipeline({ batch, runs, latencyMs, adversary });
      if (json) {
        process.stdout.write(`${JSON.stringify(report)}\n`);
        return;
      }
      const { seconds, heartbeatsPerSecond, megabytesPerParty, rounds, peakRssMb, phases } = report;
      const lines = [
        `batch of ${batch}, ${report.adversary}, ${runs} runs`,
        `${(seconds.median * 1000).toFixed(1)} ms median, ${(seconds.min * 1000).toFixed(1)} ms best`,
        `${heartbeatsPerSecond.toFixed(0)} heartbeats per second`,
        `${megabytesPerParty.toFixed(3)} MB sent by each party in ${rounds} rounds`,
        `${peakRssMb.toFixed(0)} MB of memory at most in a process`,
        ...Object.entries(phases).map(([phase, ms]) => `  ${phase.padEnd(8)} ${ms.toFixed(2)} ms`),
      ];
      process.stdout.write(`${lines.join('\n')}\n`);
    });
}
