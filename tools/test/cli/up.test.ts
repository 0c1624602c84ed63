/** The parts of `mozaik up` that need no stack. */
import { createServer, type AddressInfo } from 'node:net';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { isAlert } from '@mozaik/client';
import { checkPorts, stackAddresses } from '../../src/up/addresses.ts';
import { endlessWindows } from '../../src/up/boards.ts';
import { ConsentKeeper, RENEW_BEFORE_MS, RETRY_MS, WINDOW_MS } from '../../src/up/consents.ts';
import { lockFolder } from '../../src/up/lock.ts';
import { formatRow } from '../../src/up/results.ts';
import { stackSettings } from '../../src/stack/settings.ts';
import { temporaryFolder } from './support.ts';

describe('consents', () => {
  test('cover every beat without gap or overlap, whatever the pauses', async () => {
    // Short ones meet the time of renewal, long ones leave it out.
    const pause = fc.oneof(
      fc.integer({ min: 1, max: RENEW_BEFORE_MS }),
      fc.integer({ min: 1, max: 2 * WINDOW_MS }),
      fc.constant(WINDOW_MS - RENEW_BEFORE_MS),
    );
    const pauses = fc.array(pause, { maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(pauses, fc.nat(2 * WINDOW_MS), async (steps, earlier) => {
        const windows: [number, number][] = [];
        const keeper = new ConsentKeeper(earlier, (from, to) => {
          windows.push([from, to]);
          return Promise.resolve();
        });
        let now = WINDOW_MS;
        for (const step of steps) {
          await keeper.cover(now);
          const covering = windows.filter(([from, to]) => from <= now && now < to);
          expect(covering.length).toBe(now < earlier ? 0 : 1);
          now += step;
        }
        windows.forEach(([from, to], i) => {
          expect(to - from).toBe(WINDOW_MS);
          expect(from).toBeGreaterThanOrEqual(i === 0 ? earlier : windows[i - 1][1]);
        });
      }),
    );
  });

  test('are renewed before they end, and tried again after a while', async () => {
    let fails = true;
    let tries = 0;
    const keeper = new ConsentKeeper(WINDOW_MS, () => {
      tries++;
      return fails ? Promise.reject(new Error('away')) : Promise.resolve();
    });
    const soon = WINDOW_MS - RENEW_BEFORE_MS;
    expect(await keeper.cover(soon - 1)).toBe(false);
    await expect(keeper.cover(soon)).rejects.toThrow('away');
    expect(await keeper.cover(soon + RETRY_MS - 1)).toBe(false);
    fails = false;
    expect(await keeper.cover(soon + RETRY_MS)).toBe(true);
    expect(await keeper.cover(soon + RETRY_MS)).toBe(false);
    expect(tries).toBe(2);
  });
});

test('a folder is for one at a time', async () => {
  const folder = path.join(temporaryFolder(), 'data');
  const release = await lockFolder(folder);
  await expect(lockFolder(folder)).rejects.toMatchObject({ code: 'CONFLICT' });
  await release();
  await (
    await lockFolder(folder)
  )();
});

test('a port that is taken is named', async () => {
  const folder = temporaryFolder();
  const settings = await stackSettings(folder);
  await checkPorts(settings);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  try {
    await expect(checkPorts({ ...settings, mqttPort: port })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      detail: `port ${port}, which this stack uses, is taken by another program`,
    });
  } finally {
    server.close();
  }
});

test('addresses are read, never made', async () => {
  const folder = temporaryFolder();
  expect(await stackAddresses(folder)).toBeUndefined();
  const { httpPort } = await stackSettings(folder);
  expect((await stackAddresses(folder))!.httpUrl).toBe(`http://127.0.0.1:${httpPort}`);
});

function take<T>(source: Iterable<T>, count: number): T[] {
  const taken: T[] = [];
  for (const item of source) {
    taken.push(item);
    if (taken.length === count) break;
  }
  return taken;
}

test('windows do not end', () => {
  const [a, b, c] = [1, 2, 3].map((n) => Uint8Array.of(n));
  expect(take(endlessWindows([a, b, c], 1), 5)).toEqual([b, c, a, b, c]);
  const synthetic = take(endlessWindows(), 100);
  expect(new Set(synthetic.map((window) => window.join())).size).toBe(100);
});

test('alerts are anomalies that are sure enough', () => {
  const beat = { sequence: 1, authentic: true, classIndex: 1, className: 'x', margin: 2 } as const;
  expect(isAlert({ ...beat, anomaly: true }, 2)).toBe(true);
  expect(isAlert({ ...beat, anomaly: true }, 2.1)).toBe(false);
  expect(isAlert({ ...beat, anomaly: false }, 0)).toBe(false);
  expect(isAlert({ sequence: 1, authentic: false }, 0)).toBe(false);
  const row = { job: '', device: '', name: 'board 1', stream: 0, sequence: 7, time: null };
  const altered = { authentic: false, class: null, margin: null, anomaly: false, alert: false };
  expect(formatRow({ ...row, ...altered })).toMatch(/^- +board 1 +7 {2}not authentic$/);
});
