import { describe, expect, test } from '@jest/globals';
import { createDevice, type Api } from '@mozaik/client';
import { HeartbeatSensor, NonceLedger } from '@mozaik/firmware';
import { BEAT_SAMPLES, toHex } from '@mozaik/protocol';
import { seededRandom } from '../../src/ecg/random.ts';
import { Flash } from '../../src/simulate/flash.ts';
import { Journal } from '../../src/simulate/journal.ts';
import { verifyBoard } from '../../src/simulate/verify.ts';

const USER = new Uint8Array(32).fill(1);
const COUNT = 10;

/** A board that has published ten beats, all acknowledged, and its envelopes. */
function board() {
  const device = createDevice('board');
  const journal = new Journal();
  const envelopes: Uint8Array[] = [];
  const windows = Array.from({ length: COUNT }, (_, i) => new Uint8Array(BEAT_SAMPLES).fill(i));
  const sensor = new HeartbeatSensor({
    masterKey: device.masterKey.expose(),
    userId: USER,
    stream: 0,
    clock: () => 0,
    random: (bytes) => bytes.fill(4),
    ledger: new NonceLedger(new Flash(seededRandom(1))),
    sink: {
      offer: (envelope) => {
        journal.sealed(envelope, windows[envelopes.length]);
        return envelopes.push(envelope.slice()) > 0;
      },
    },
  });
  windows.forEach((window, i) => journal.settled(sensor.beat(window, 1000 * i), 'acknowledged'));
  return { device, journal, envelopes };
}

/** What is found when the store gives these envelopes. */
async function found(
  { device, journal }: ReturnType<typeof board>,
  stored: Uint8Array[],
  earlier: Uint8Array[] = [],
) {
  const samples = stored.map((envelope) => ({ received: 0, envelope }));
  const store = { samples: () => Promise.resolve({ v: 1, samples }) };
  const api = { ...store, session: { identity: { id: USER } } } as unknown as Api;
  const { findings, violations } = await verifyBoard(
    ...([api, device, 0, journal, new Set(earlier.map(toHex))] as const),
  );
  const nonZero = Object.entries({ ...findings, ...violations }).filter(([, count]) => count > 0);
  return Object.fromEntries(nonZero);
}

/** An envelope with one byte changed. */
function altered(envelope: Uint8Array, at: number): Uint8Array {
  const copy = envelope.slice();
  copy[at] ^= 1;
  return copy;
}

const TAG_AT = 30 + BEAT_SAMPLES;
/** Last byte of the sequence number. */
const SEQUENCE_AT = 19;

describe('verification', () => {
  test('finds nothing wrong with a store that has everything', async () => {
    const subject = board();
    expect(await found(subject, subject.envelopes)).toEqual({ intact: COUNT });
  });

  test('finds an acknowledged beat that is missing', async () => {
    const subject = board();
    expect(await found(subject, subject.envelopes.slice(1))).toEqual({ intact: 9, missing: 1 });
  });

  test('lets others be missing, but not pending', async () => {
    const subject = board();
    subject.journal.entries.get(0)!.state = 'lost';
    subject.journal.entries.get(1)!.state = 'rejected';
    subject.journal.entries.get(2)!.state = 'pending';
    const rest = { intact: 7, givenUp: 1, stuck: 1 };
    expect(await found(subject, subject.envelopes.slice(3))).toEqual(rest);
  });

  test('finds an altered envelope, and the beat that it replaces', async () => {
    const subject = board();
    const stored = subject.envelopes.with(3, altered(subject.envelopes[3], TAG_AT));
    // The same nonce, but nothing was sealed under it: it is not counted twice.
    expect(await found(subject, stored)).toEqual({ intact: 9, missing: 1, foreign: 1 });
  });

  test('accounts for what the link has corrupted', async () => {
    const subject = board();
    const changed = altered(subject.envelopes[3], TAG_AT);
    subject.journal.corrupted(subject.envelopes[3], changed);
    const stored = subject.envelopes.with(3, changed);
    expect(await found(subject, stored)).toEqual({
      ...{ intact: 9, corrupted: 1, corruptedAcknowledged: 1 },
    });
  });

  test('but not for a loss that the corruption does not explain', async () => {
    const subject = board();
    subject.journal.corrupted(subject.envelopes[3], altered(subject.envelopes[3], TAG_AT));
    const stored = subject.envelopes.toSpliced(3, 1);
    expect(await found(subject, stored)).toEqual({ intact: 9, missing: 1 });
  });

  test('knows a corrupted sequence number that takes the place of a later beat', async () => {
    const subject = board();
    const moved = altered(subject.envelopes[8], SEQUENCE_AT);
    subject.journal.corrupted(subject.envelopes[8], moved);
    subject.journal.entries.get(9)!.state = 'rejected';
    const stored = [...subject.envelopes.slice(0, 8), moved];
    expect(await found(subject, stored)).toEqual({
      ...{ intact: 8, corrupted: 1, corruptedAcknowledged: 1 },
    });
  });

  test('excuses an acknowledgement that another packet may have earned', async () => {
    const subject = board();
    subject.journal.corrupted(subject.envelopes[0], undefined);
    expect(await found(subject, subject.envelopes.slice(1))).toEqual({
      ...{ intact: 9, corruptedAcknowledged: 1 },
    });
  });

  test('finds repetitions and wrong contents', async () => {
    const subject = board();
    const { envelopes, journal } = subject;
    const twice = [...envelopes, envelopes[9]];
    expect(await found(subject, twice)).toEqual({ intact: 10, repeated: 1, nonceRepeats: 1 });
    journal.entries.get(2)!.window = new Uint8Array(BEAT_SAMPLES);
    journal.entries.get(3)!.time++;
    expect(await found(subject, envelopes)).toEqual({ intact: 10, wrong: 2 });
  });

  test('finds a corrupted envelope that opens', async () => {
    const subject = board();
    const { envelopes, journal } = subject;
    journal.entries.delete(9);
    journal.corrupted(envelopes[8], envelopes[9]);
    expect(await found(subject, envelopes)).toEqual({ intact: 9, corrupted: 1, forged: 1 });
  });

  test('finds envelopes of before, and that one has vanished', async () => {
    const subject = board();
    const before = board().envelopes;
    for (let sequence = 0; sequence < COUNT; sequence++) subject.journal.entries.delete(sequence);
    expect(await found(subject, before, before)).toEqual({ earlier: COUNT });
    expect(await found(subject, before.slice(2), before)).toEqual({ earlier: 8, missing: 2 });
  });

  test('finds sequence numbers that do not increase', async () => {
    const subject = board();
    subject.journal.sealed(subject.envelopes[4], new Uint8Array(BEAT_SAMPLES));
    expect(await found(subject, subject.envelopes)).toMatchObject({ nonceRepeats: 1 });
  });
});
