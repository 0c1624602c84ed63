/** The demonstration's report for people. */
import { HEADER_BYTES, TAG_BYTES, toHex } from '@mozaik/protocol';
import { CLASS_NAMES, type AamiClass } from '../ecg/index.ts';
import { classAgreement, demoSummary, type DemoBeat, type DemoReport } from './demo.ts';

function beatRow({ board, sequence, time, label, result }: DemoBeat): string {
  const clock = new Date(time).toISOString().slice(11, 23);
  const verdict = result?.authentic
    ? [
        result.className.padEnd(26),
        (result.margin?.toFixed(3) ?? '').padStart(9),
        result.anomaly ? '!' : ' ',
      ]
    : ['not authentic'.padEnd(26), ''.padStart(9), '?'];
  const annotated = CLASS_NAMES[label as AamiClass];
  return [board.padEnd(9), String(sequence).padStart(6), clock, ...verdict, annotated].join('  ');
}

export function printReport(report: DemoReport, print: (line: string) => void): void {
  const { beats, envelope, share, ciphertext, jobs, rounds, secondsTotal } = report;
  const { megabytesPerParty, agentMegabytes } = report;
  const summary = demoSummary(report);
  const stored = envelope.subarray(HEADER_BYTES, envelope.length - TAG_BYTES);
  print('');
  print('board        beat  time (UTC)    class                          margin     annotated as');
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
  print(`What the broker saw of the first: ${toHex(stored.subarray(0, 24))}… (ciphertext)`);
  if (share) {
    print(
      `What party ${share.party.slice(0, 8)} saw of its result: class ${toHex(share.class)}, ` +
        `margin ${toHex(share.margin)} (one share of three)`,
    );
  }
  if (ciphertext) {
    print(`What the server saw of the last: …${toHex(ciphertext)} (homomorphic ciphertext)`);
  }
  print('');
  print(
    `${secondsTotal.toFixed(1)} s in all; from board to opened result ` +
      `${summary.latencyMs.p50} ms (median), ${summary.latencyMs.p95} ms (95 %).`,
  );
  if (summary.adversary === null) {
    const { requests, keys } = agentMegabytes;
    print(
      `${jobs} jobs of one server that cannot read; ${megabytesPerParty.toFixed(2)} MB sent by it, ` +
        `${requests.toFixed(2)} MB by the user's agent, and ${keys.toFixed(2)} MB of evaluation keys once.`,
    );
  } else {
    print(
      `${jobs} jobs of at most ${rounds} rounds; ${megabytesPerParty.toFixed(2)} MB sent by each party; ` +
        `secure against one ${summary.adversary} party of three.`,
    );
  }
}

/** What a user needs to choose between the paths, from one run of each. */
export function comparisonRows(joint: DemoReport, fhe: DemoReport): string[][] {
  const [one, two] = [demoSummary(joint), demoSummary(fhe)];
  const percent = (fraction: number) => `${(100 * fraction).toFixed(1)} %`;
  const kilobytes = (megabytes: number, { heartbeats }: typeof one) =>
    `${((1000 * megabytes) / heartbeats).toFixed(1)} KB`;
  return [
    ['', 'joint: three parties', 'fhe: one server'],
    ['equal to its plaintext network', percent(one.agreement), percent(two.agreement)],
    ['equal to the annotations', percent(one.accuracy), percent(two.accuracy)],
    ['same class on both', percent(classAgreement(joint, fhe)), ''],
    ['board to opened result, median', `${one.latencyMs.p50} ms`, `${two.latencyMs.p50} ms`],
    ['the same, 95 %', `${one.latencyMs.p95} ms`, `${two.latencyMs.p95} ms`],
    [
      'sent for a heartbeat, by each who computes',
      kilobytes(one.megabytesPerParty, one),
      kilobytes(two.megabytesPerParty, two),
    ],
    [
      "sent for a heartbeat, by the user's agent",
      kilobytes(one.agentMegabytes.requests, one),
      kilobytes(two.agentMegabytes.requests, two),
    ],
    ['sent once by the agent', '-', `${two.agentMegabytes.keys.toFixed(1)} MB`],
    ['heartbeats in the clear', 'on the board', "on the board and at the user's agent"],
    ['trusted not to pool what they hold', 'any two of the three parties', 'nobody'],
    [
      'trusted to compute rightly',
      joint.adversary === 'malicious' ? 'nobody: a cheat is noticed' : 'each party',
      'the server',
    ],
    ['learns the model', 'nobody', 'the server'],
    ['user online while it computes', 'no', 'yes: the agent'],
  ];
}
