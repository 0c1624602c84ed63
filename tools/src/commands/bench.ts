import { Option, type Command } from 'commander';
import { benchFhe, LAYOUTS, type Layout } from '../bench/fhe.ts';
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

interface FheOptions {
  layout: Layout;
  beats?: number;
  runs: number;
  libraryRuns: number;
  model?: string;
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

  bench
    .command('fhe')
    .description('the homomorphic path on one core, and the library alone in the same run')
    .addOption(
      new Option('--layout <name>', 'one beat, or a batch of beats')
        .choices(LAYOUTS)
        .default('single'),
    )
    .option('--beats <n>', 'heartbeats in a request (1, or 2048 in a batch)', positiveInteger)
    .option('--runs <n>', 'counted runs, after some that warm up', positiveInteger, 20)
    .option('--library-runs <n>', 'counted runs of the library', positiveInteger, 3)
    .option('--model <file>', 'model with squares between its layers')
    .option('--json', 'print one line of JSON')
    .action(async ({ json, ...options }: FheOptions) => {
      const report = await benchFhe(options);
      if (json) {
        process.stdout.write(`${JSON.stringify(report)}\n`);
        return;
      }
      const { client, server, bytes, library } = report;
      const ms = (value: number): string => `${value.toFixed(value < 10 ? 2 : 0)} ms`;
      const kb = (value: number): string => `${(value / 1000).toFixed(1)} KB`;
      const lines = [
        `layout ${report.layout}, ${report.beats} heartbeats in a request, ${report.runs} runs`,
        `agent    keys ${ms(client.keysMs)}, encrypt ${ms(client.encryptMs)}, open ${ms(client.openMs)}`,
        `server   ${ms(server.medianMs)} median, ${ms(server.minMs)} best, keys ${ms(server.loadKeysMs)}`,
        `         ${server.msPerBeat.toFixed(3)} ms and ${server.beatsPerSecond.toFixed(0)} heartbeats per second on one core`,
        `bytes    keys ${kb(bytes.keys)}, request ${kb(bytes.request)} (${kb(bytes.requestPerBeat)} for a heartbeat), reply ${kb(bytes.reply)}`,
        `library  ${ms(library.medianMs)}: ${library.ratio.toFixed(1)} times as long`,
      ];
      if (library.own) {
        const { primes, medianMs, ratio } = library.own;
        lines.push(
          `         ${ms(medianMs)} for one with primes ${primes}: ${ratio.toFixed(1)} times`,
        );
      }
      lines.push(
        `largest error of a logit ${report.largestLogitError.toFixed(4)}, same class ${(100 * report.sameClass).toFixed(2)} %`,
      );
      process.stdout.write(`${lines.join('\n')}\n`);
    });
}
