/** The demonstration's report for people. */
import { HEADER_BYTES, TAG_BYTES, toHex } from '@mozaik/protocol';
import { CLASS_NAMES, type AamiClass } from '../ecg/index.ts';
import { demoSummary, type DemoBeat, type DemoReport } from './demo.ts';

function beatRow({ board, sequence, time, label, result }: DemoBeat): string {
  const clock = new Date(time).toISOString().slice(11, 23);
  const verdict = result?.authentic
    ? [
        result.className.padEnd(24),
        (result.margin?.toFixed(3) ?? '').padStart(9),
        result.anomaly ? '!' : ' ',
      ]
    : ['not authentic'.padEnd(24), ''.padStart(9), '?'];
  const annotated = CLASS_NAMES[label as AamiClass];
  return [board.padEnd(9), String(sequence).padStart(6), clock, ...verdict, annotated].join('  ');
}

export function printReport(report: DemoReport, print: (line: string) => void): void {
  const { beats, envelope, share, jobs, rounds, megabytesPerParty, secondsTotal } = report;
  const summary = demoSummary(report);
  const ciphertext = envelope.subarray(HEADER_BYTES, envelope.length - TAG_BYTES);
  print('');
  print('board      beat  time (UTC)    class                        margin     annotated as');
  for (const beat of beats) print(beatRow(beat));
  print('');
  print(
    `${summary.classified} of ${summary.heartbeats} heartbeats classified, ${summary.anomalies} anomalous.`,
  );
  print(
    `Equal to the plaintext computation: ${(100 * summary.agreement).toFixed(1)} %. ` +
      `Equal to the annotations: ${(100 * summary.accuracy).toFixed(1)} %.`,
  );
  print('');
  print(`What the broker saw of the first: ${toHex(ciphertext.subarray(0, 24))}… (ciphertext)`);
  print(
    `What party ${share.party.slice(0, 8)} saw of its result: class ${toHex(share.class)}, ` +
      `margin ${toHex(share.margin)} (one share of three)`,
  );
  print('');
  print(
    `${secondsTotal.toFixed(1)} s in all; from board to opened result ` +
      `${summary.latencyMs.p50} ms (median), ${summary.latencyMs.p95} ms (95 %).`,
  );
  print(
    `${jobs} jobs of at most ${rounds} rounds; ${megabytesPerParty.toFixed(2)} MB sent by each party; ` +
      `secure against one ${summary.adversary} party of three.`,
  );
}
