import { expect, test } from '@jest/globals';
import type { FheReport } from '../../src/bench/fhe.ts';
import { json } from './support.ts';

test('bench fhe reports agent, server, bytes and library apart', async () => {
  const report = await json<FheReport>(
    ...['bench', 'fhe', '--layout', 'single', '--runs', '1', '--library-runs', '1'],
  );
  const { client, server, bytes, library } = report;
  expect(report).toMatchObject({ layout: 'single', beats: 1, runs: 1, sameClass: 1 });
  expect(report.largestLogitError).toBeLessThan(0.02);
  expect(bytes.requestPerBeat).toBe(bytes.request);
  for (const figure of [
    ...Object.values(client),
    ...Object.values(server),
    ...Object.values(bytes),
    library.ratio,
    library.own?.ratio,
  ]) {
    expect(figure).toBeGreaterThan(0);
  }
}, 120_000);
