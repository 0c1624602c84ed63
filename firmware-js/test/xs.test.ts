import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { stampFile, xsScripts } from './xs/scripts.ts';

const { hash } = await xsScripts();
const stamp = existsSync(stampFile)
  ? (JSON.parse(readFileSync(stampFile, 'utf8')) as { hash: string; meter: Record<string, number> })
  : undefined;

// The engine takes a C compiler and a minute, so it has a command of its own, which leaves a stamp.
if (stamp?.hash === hash) {
  test('the suite passed on the XS engine, on this very module', () => {
    expect(stamp.meter['encrypt 187 bytes']).toBeLessThanOrEqual(45_000);
    // Describing a beat costs a board about as much as encrypting it.
    expect(stamp.meter['describe a beat']).toBeLessThanOrEqual(50_000);
  });
} else {
  console.warn('NOT RUN on the XS engine: `npm run test:xs` does it, with a C compiler');
  test.skip('NOT RUN on the XS engine: npm run test:xs', () => {});
}
