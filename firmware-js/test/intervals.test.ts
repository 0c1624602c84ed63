import { describe, expect, test } from '@jest/globals';
import { KIND_INTERVALS } from '@mozaik/protocol/envelope';
import { IntervalRecorder, INTERVALS_PER_SAMPLE } from '../src/intervals.ts';
import { Sealer } from '../src/sealer.ts';
import { AsconAead128 } from '../src/ascon.ts';
import { epochKey } from '../src/keys.ts';

const masterKey = new Uint8Array(16).fill(5);
const userId = new Uint8Array(32).fill(6);

function start() {
  const sent: Uint8Array[] = [];
  let next = 0;
  const sealer = new Sealer({
    masterKey,
    userId,
    stream: 9,
    kind: KIND_INTERVALS,
    epochBeats: 100,
    random: (bytes) => bytes.fill(1),
    ledger: { next: () => next++ },
    sink: { offer: (envelope) => sent.push(envelope.slice()) > 0 },
  });
  return { recorder: new IntervalRecorder(sealer), sent, device: sealer.deviceId };
}

function open(envelope: Uint8Array, device: Uint8Array): Buffer {
  const out = Buffer.alloc(187);
  const key = epochKey(masterKey, userId, device, 9, 0);
  const [data, nonce, sealed] = [
    envelope.subarray(0, 14),
    envelope.subarray(14, 30),
    envelope.subarray(30),
  ];
  expect(new AsconAead128().decrypt(key, nonce, data, sealed, out)).toBe(true);
  return out;
}

describe('beat-to-beat intervals', () => {
  test('are sealed by the sample, under their own kind, with the time of the first', () => {
    const { recorder, sent, device } = start();
    for (let i = 0; i < INTERVALS_PER_SAMPLE + 2; i++) {
      expect(recorder.push(800 + i + 0.6, 5000 + i)).toBe(true);
    }
    expect(sent).toHaveLength(1);
    recorder.flush();
    recorder.flush();
    expect(sent).toHaveLength(2);
    expect(sent.map((envelope) => envelope[2])).toEqual([KIND_INTERVALS, KIND_INTERVALS]);
    expect(sent.map((envelope) => Buffer.from(envelope).readUIntBE(8, 6))).toEqual([5000, 5093]);
    const [full, rest] = sent.map((envelope) => open(envelope, device));
    expect(full[0]).toBe(93);
    expect(Array.from({ length: 93 }, (_, i) => full.readUInt16BE(1 + 2 * i))).toEqual(
      Array.from({ length: 93 }, (_, i) => 800 + i),
    );
    expect([rest[0], rest.readUInt16BE(1), rest.readUInt16BE(3)]).toEqual([2, 893, 894]);
    expect(rest.subarray(5).every((byte) => byte === 0)).toBe(true);
  });

  test.each([249, 3001, NaN, -5])('of %d ms are no heart', (interval) => {
    const { recorder, sent } = start();
    expect(recorder.push(interval, 0)).toBe(false);
    recorder.flush();
    expect(sent).toEqual([]);
  });
});
