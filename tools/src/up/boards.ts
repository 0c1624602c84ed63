/** Simulated boards, each a device of the user's that replays heartbeats for ever. */
import { randomInt } from 'node:crypto';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Device } from '@mozaik/client';
import { runSensor } from '@mozaik/firmware/node';
import { MozaikError, toHex } from '@mozaik/protocol';
import { beatsFromRecord, beatsFromSynthesiser } from '../ecg/index.ts';
import { deviceToken, type Household } from '../stack/household.ts';
import { STREAM, type ConsentKeeper } from './consents.ts';

/** Heartbeats that are synthesised at a time, one heart after another. */
const SYNTHESISED_BEATS = 60;
const VENTRICULAR = 0.12;
const SUPRAVENTRICULAR = 0.08;
/** Heartbeats that a board keeps while the broker is away. */
const QUEUE = 1024;
/** Longest wait, at the end, for heartbeats to be stored. */
const FLUSH_MS = 1_000;

/** The heartbeats of a record. @throws MozaikError INPUT_FILE when it cannot be read or has none */
export async function recordedWindows(dir: string, name: string): Promise<Uint8Array[]> {
  const beats = await beatsFromRecord(dir, name);
  if (beats.length === 0) throw new MozaikError('INPUT_FILE', `record ${name} has no heartbeats`);
  return beats.map(({ window }) => window);
}

/** Windows without end: these from index `first` on in a loop, or of one synthetic heart after another. */
export function* endlessWindows(recorded?: Uint8Array[], first = 0): Generator<Uint8Array> {
  if (recorded) for (let i = first; ; i++) yield recorded[i % recorded.length];
  for (;;) {
    const beats = beatsFromSynthesiser({
      seed: randomInt(2 ** 32),
      beats: SYNTHESISED_BEATS,
      ventricular: VENTRICULAR,
      supraventricular: SUPRAVENTRICULAR,
    });
    for (const { window } of beats) yield window;
  }
}

export interface BoardOptions {
  household: Household;
  device: Device;
  consent: ConsentKeeper;
  mqttUrl: string;
  /** Folder under which each board keeps its nonce ledger. */
  ledgers: string;
  /** Heartbeats per second. */
  rate: number;
  /** What it replays, without end. */
  windows: Iterable<Uint8Array>;
  /** Told, for people, what does not go as it should. */
  say: (text: string) => void;
  signal: AbortSignal;
}

/** Runs a board until the signal aborts. @throws MozaikError when it cannot be registered */
export async function runBoard(options: BoardOptions): Promise<void> {
  const { household, device, consent, mqttUrl, ledgers, rate, windows, say, signal } = options;
  const broker = new URL(mqttUrl);
  const { sensor, flush, close } = runSensor({
    masterKey: device.masterKey.expose(),
    userId: household.user.identity.id,
    stream: STREAM,
    ledgerFolder: path.join(ledgers, toHex(device.id)),
    host: broker.hostname,
    port: Number(broker.port),
    username: toHex(device.id),
    password: await deviceToken(household.api, device),
    capacity: QUEUE,
  });
  let full = false;
  try {
    for (const window of windows) {
      if (signal.aborted) break;
      const now = Date.now();
      try {
        if (await consent.cover(now)) say(`the user consents to the analysis of ${device.name}`);
      } catch (error) {
        if (!(error instanceof MozaikError)) throw error;
        say(`${device.name}: no new consent: ${error.code}`);
      }
      const refused = sensor.beat(window, now) < 0;
      if (refused && !full) say(`${device.name}: its queue is full, heartbeats are lost`);
      full = refused;
      await sleep(1000 / rate, undefined, { signal }).catch(() => undefined);
    }
    await flush(FLUSH_MS);
  } finally {
    close();
  }
}
