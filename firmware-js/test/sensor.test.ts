import { inspect } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { BEAT_ENVELOPE_BYTES, BEAT_SAMPLES } from '@mozaik/protocol/envelope';
import { AsconAead128 } from '../src/ascon.ts';
import { deviceId, epochKey, EPOCH_MS } from '../src/keys.ts';
import { LEDGER_BLOCK, NonceLedger } from '../src/ledger.ts';
import type { LedgerStorage } from '../src/ledger.ts';
import { HeartbeatSensor } from '../src/sensor.ts';
import { sampleTopic } from '../src/topic.ts';
import type { HeartbeatSensorOptions } from '../src/sensor.ts';

const masterKey = Uint8Array.from({ length: 16 }, (_, i) => 200 + i);
const userId = Uint8Array.from({ length: 32 }, (_, i) => i);
const beat = Uint8Array.from({ length: BEAT_SAMPLES }, (_, i) => i);
const START = 495000 * EPOCH_MS;
const STREAM = 513;

function memoryStorage(): LedgerStorage {
  const slots: Uint8Array[] = [];
  return {
    read: (slot) => slots[slot],
    write: (slot, bytes) => {
      slots[slot] = bytes.slice();
    },
  };
}

function start(options: Partial<HeartbeatSensorOptions>) {
  const sent: Uint8Array[] = [];
  const sensor = new HeartbeatSensor({
    masterKey,
    userId,
    stream: STREAM,
    clock: () => START,
    random: (bytes) => bytes.fill(0x5a),
    ledger: new NonceLedger(memoryStorage()),
    sink: { offer: (envelope) => sent.push(envelope.slice()) > 0 },
    ...options,
  });
  return { sensor, sent };
}

/** Opens an envelope as the layout says; undefined when it is not authentic. */
function open(envelope: Uint8Array, stream: number): Uint8Array | undefined {
  const epoch = new DataView(envelope.buffer, envelope.byteOffset).getUint32(4);
  const key = epochKey(masterKey, userId, deviceId(masterKey), stream, epoch);
  const out = new Uint8Array(BEAT_SAMPLES);
  const sealed = envelope.subarray(30);
  const opened = new AsconAead128().decrypt(
    key,
    envelope.subarray(14, 30),
    envelope.subarray(0, 14),
    sealed,
    out,
  );
  return opened ? out : undefined;
}

const u32 = (envelope: Uint8Array, at: number) => Buffer.from(envelope).readUInt32BE(at);

describe('the heartbeat sensor', () => {
  test('seals a beat that its keys open', () => {
    const { sensor, sent } = start({});
    expect(sensor.beat(beat, START + 1234.7)).toBe(0);
    expect(sensor.beat(beat, START + 2000)).toBe(1);
    expect(sent).toHaveLength(2);
    expect(sent[0]).toHaveLength(BEAT_ENVELOPE_BYTES);
    expect(open(sent[0], STREAM)).toEqual(beat);
    expect(Buffer.from(sent[0]).readUIntBE(8, 6)).toBe(START + 1234);
    expect(u32(sent[0], 4)).toBe(495000);
    expect(Buffer.from(sent[0]).readUInt16BE(14)).toBe(STREAM);
    expect(sent.map((envelope) => u32(envelope, 16))).toEqual([0, 1]);
    expect([...sent[0].subarray(20, 30)]).toEqual(Array(10).fill(0x5a));
    expect(sent[0].subarray(30)).not.toEqual(sent[1].subarray(30));
  });

  test('no bit of an envelope can be changed', () => {
    const { sensor, sent } = start({});
    sensor.beat(beat, START);
    const [envelope] = sent;
    for (let bit = 0; bit < 8 * envelope.length; bit++) {
      envelope[bit >> 3] ^= 1 << (bit & 7);
      if (open(envelope, STREAM) !== undefined) {
        throw new Error(`bit ${bit} went unnoticed`);
      }
      envelope[bit >> 3] ^= 1 << (bit & 7);
    }
    expect(open(envelope, STREAM)).toEqual(beat);
    expect(open(envelope, STREAM + 1)).toBeUndefined();
  });

  test('changes keys with the epoch, also backwards, and never repeats a nonce', () => {
    const { sensor, sent } = start({});
    const times = [START, START + EPOCH_MS, START, START + EPOCH_MS - 1];
    times.forEach((time) => sensor.beat(beat, time));
    expect(sent.map((envelope) => u32(envelope, 4))).toEqual([495000, 495001, 495000, 495000]);
    expect(sent.map((envelope) => open(envelope, STREAM))).toEqual(Array(4).fill(beat));
    const nonces = sent.map((envelope) => Buffer.from(envelope.subarray(14, 30)).toString('hex'));
    expect(new Set(nonces).size).toBe(4);
  });

  test('counts epochs by beats on a board without a date', () => {
    const { sensor, sent } = start({ epochBeats: 3 });
    for (let i = 0; i < 7; i++) {
      sensor.beat(beat, i * 800);
    }
    expect(sent.map((envelope) => u32(envelope, 4))).toEqual([0, 0, 0, 1, 1, 1, 2]);
    expect(open(sent[6], STREAM)).toEqual(beat);
  });

  test('does not repeat sequence numbers after a restart', () => {
    const storage = memoryStorage();
    start({ ledger: new NonceLedger(storage) }).sensor.beat(beat, START);
    expect(start({ ledger: new NonceLedger(storage) }).sensor.beat(beat, START)).toBe(LEDGER_BLOCK);
  });

  test('tells when the sink is full', () => {
    const { sensor } = start({ sink: { offer: () => false } });
    expect(sensor.beat(beat, START)).toBe(-1);
  });

  test('turns raw samples into beats', () => {
    let now = START;
    const { sensor, sent } = start({ clock: () => now });
    for (let i = 0; i < 1500; i++) {
      now += 8;
      sensor.sample(i % 100 === 50 ? 1000 : i % 100 === 51 ? 500 : 0);
    }
    // Peaks at 250, 350, ... 1350: two seconds are learnt from, the last window is not complete.
    expect(sent.length).toBe(12);
    // The number of the window's layout, see `context.ts`.
    expect(open(sent[0], STREAM)?.[186]).toBe(3);
  });

  test('shows neither keys nor samples, and forgets the keys when closed', () => {
    const { sensor } = start({});
    sensor.beat(beat, START);
    const shown = inspect(sensor, { depth: 9 }) + JSON.stringify(sensor);
    expect(shown).not.toMatch(/masterKey|segmenter|200,\s*201|:200,"\d+":201/);
    const hidden = sensor as unknown as { masterKey: Uint8Array; key: Uint8Array };
    expect(hidden.key.some((byte) => byte !== 0)).toBe(true);
    sensor.close();
    expect([...hidden.masterKey, ...hidden.key].every((byte) => byte === 0)).toBe(true);
    expect(masterKey[0]).toBe(200);
    expect(() => sensor.beat(beat, START)).toThrow('closed');
  });

  test.each<[string, Partial<HeartbeatSensorOptions>]>([
    ['a short master key', { masterKey: new Uint8Array(15) }],
    ['a long user id', { userId: new Uint8Array(33) }],
    ['a stream above u16', { stream: 65536 }],
    ['a fractional number of beats per epoch', { epochBeats: 0.5 }],
  ])('throws on %s', (_, options) => {
    expect(() => start(options)).toThrow();
  });

  test('throws on a window or time that does not fit', () => {
    const { sensor } = start({});
    expect(() => sensor.beat(new Uint8Array(186), START)).toThrow('187');
    expect(() => sensor.beat(beat, -1)).toThrow('out of range');
    expect(() => sensor.beat(beat, NaN)).toThrow('out of range');
  });

  test('names its topic', () => {
    expect(sampleTopic(new Uint8Array(2).fill(10), new Uint8Array([255]), 7)).toBe(
      'mozaik/v1/u/0a0a/d/ff/s/7',
    );
  });
});
