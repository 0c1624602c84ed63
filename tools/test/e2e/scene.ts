/** A user, a board and a stack of real processes: what the end-to-end tests play. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll } from '@jest/globals';
import {
  createDevice,
  giveConsent,
  JobWatcher,
  SeenJobs,
  type BeatResult,
  type Device,
} from '@mozaik/client';
import { runSensor, type RunningSensor } from '@mozaik/firmware/node';
import { classify } from '@mozaik/mpc';
import { toHex } from '@mozaik/protocol';
import { beatsFromSynthesiser } from '../../src/ecg/index.ts';
import { deviceToken, openHousehold, type Household } from '../../src/stack/household.ts';
import type { Stack } from '../../src/stack/stack.ts';

export { sleep };
export const STREAM = 0;
export const HOUR_MS = 3_600_000;

const folders: string[] = [];
const ends: (() => unknown)[] = [];

/** A fresh folder, removed after the tests of the file. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'mozaik-e2e-'));
  folders.push(folder);
  return folder;
}

/** Has something ended after the tests of the file, the latest first. */
export function atEnd(end: () => unknown): void {
  ends.push(end);
}

afterAll(async () => {
  for (const end of ends.reverse()) await end();
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** Waits until `condition` holds; after `timeoutMs` the test fails with `what`. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: () => string,
  timeoutMs: number,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited in vain: ${what()}`);
    await sleep(20);
  }
}

export interface Scene {
  household: Household;
  device: Device;
  board: RunningSensor;
  /** The plaintext of each sample that the board took, by sequence number. */
  windows: Map<number, Uint8Array>;
  /** All results that the agent opened, by sequence number: one each, if all is well. */
  results: Map<number, BeatResult[]>;
  /** Jobs whose results the agent opened. */
  jobs: string[];
  /** What the agent could not do. */
  errors: unknown[];
  /** The board takes heartbeats, so many a second. */
  beat(count: number, rate: number): Promise<void>;
  consent(mode: 'once' | 'streaming'): Promise<Uint8Array>;
  /** How many heartbeats have one result each, and how many of these the plaintext twin has too. */
  tally(): { beats: number; once: number; more: number; equal: number };
}

/**
 * @param stack where everybody is; addresses may be other ones than the stack's own
 * @param dataDir folder of the stack: the user's and the provider's are in it
 */
export async function openScene(
  stack: Pick<Stack, 'audience' | 'httpUrl' | 'mqttUrl' | 'descriptorFiles'>,
  dataDir: string,
): Promise<Scene> {
  const household = await openHousehold(stack as Stack, dataDir);
  const { api, user, pins, parties, userDir, model, modelHash } = household;
  const device = createDevice('board');
  const broker = new URL(stack.mqttUrl);
  const board = runSensor({
    masterKey: device.masterKey.expose(),
    userId: user.identity.id,
    stream: STREAM,
    ledgerFolder: path.join(dataDir, 'board'),
    host: broker.hostname,
    port: Number(broker.port),
    username: toHex(device.id),
    password: await deviceToken(api, device),
    capacity: 512,
  });
  atEnd(() => board.close());
  const windows = new Map<number, Uint8Array>();
  const results = new Map<number, BeatResult[]>();
  const jobs: string[] = [];
  const errors: unknown[] = [];
  const watcher = new JobWatcher({
    api,
    user,
    mqttUrl: stack.mqttUrl,
    seen: await SeenJobs.open(path.join(userDir, 'seen.json')),
    reconnectMs: 200,
    onResult: ({ job, beats }) => {
      jobs.push(toHex(job));
      for (const beat of beats) {
        results.set(beat.sequence, [...(results.get(beat.sequence) ?? []), beat]);
      }
    },
    onError: (error) => errors.push(error),
  });
  await watcher.start();
  atEnd(() => watcher.close());

  const start = Date.now();
  return {
    household,
    device,
    board,
    windows,
    results,
    jobs,
    errors,
    async beat(count, rate) {
      const beats = beatsFromSynthesiser({ seed: windows.size + 1, beats: count });
      for (const { window } of beats) {
        const sequence = board.sensor.beat(window, Date.now());
        if (sequence < 0) throw new Error('the queue of the board is full');
        windows.set(sequence, Uint8Array.from(window));
        await sleep(1000 / rate);
      }
    },
    consent: (mode) =>
      giveConsent(api, user, device, pins, {
        mode,
        stream: STREAM,
        from: start,
        to: start + HOUR_MS,
        parties,
        model: modelHash,
      }),
    tally() {
      const scale = 2 ** (8 + model.fractionBits);
      const outcome = { beats: windows.size, once: 0, more: 0, equal: 0 };
      for (const [sequence, window] of windows) {
        const own = results.get(sequence) ?? [];
        if (own.length > 1) outcome.more++;
        if (own.length !== 1) continue;
        outcome.once++;
        const [result] = own;
        const twin = classify(model, window);
        const isEqual =
          result.authentic &&
          result.classIndex === twin.class &&
          result.margin === twin.margin / scale;
        if (isEqual) outcome.equal++;
      }
      return outcome;
    },
  };
}
