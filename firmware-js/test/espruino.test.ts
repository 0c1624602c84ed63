import { crc32 } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import { AsconAead128 } from '../src/ascon.ts';
import {
  buildCipher,
  buildEspruino,
  CIPHER_BYTES_MAX,
  ESPRUINO_MODULES,
  MODULE_BYTES_MAX,
} from '../src/bundle/espruino.ts';
import type { EspruinoModule } from '../src/bundle/espruino.ts';
import { bundleViolations } from '../src/bundle/gate.ts';
import { readMessage } from '../src/bundle/shrink.ts';
import { BITMAP_BLOCK, BitmapLedger } from '../src/espruino/bitmap-ledger.ts';
import { fragmentCount, FRAME_SAMPLE, LAST } from '../src/fragment.ts';
import { deviceId, epochKey } from '../src/keys.ts';
import { FakeBoard, FakeStorage, PowerCut } from './fake-board.ts';
import { FakeFlash } from './fake-flash.ts';

const names = Object.keys(ESPRUINO_MODULES) as EspruinoModule[];
const built = new Map(
  await Promise.all(names.map(async (name) => [name, await buildEspruino(name)] as const)),
);

const MASTER = Uint8Array.from({ length: 16 }, (_, i) => i + 1);
const USER = new Uint8Array(32).fill(3);
const BEAT = Uint8Array.from({ length: 187 }, (_, i) => i);

/** A board that has just been switched on, with all modules in its Storage. */
function board(options = {}, previous?: FakeBoard): FakeBoard {
  const fresh = new FakeBoard(options);
  previous?.storage.files.forEach((bytes, name) => fresh.storage.files.set(name, bytes));
  for (const [name, { code }] of built) fresh.load(name, code);
  return fresh;
}

interface Connected {
  sealer: { beat: (window: Uint8Array, timeMs: number) => number };
  transport: { pending: () => number };
  cipher: string;
  stop: () => void;
}

function connect(on: FakeBoard, options: object): Connected {
  const module = on.modules.get('mozaik') as { connect: (options: object) => Connected };
  return module.connect({ masterKey: MASTER, userId: USER, epochBeats: 100, ...options });
}

function opens(envelope: Uint8Array): Uint8Array | undefined {
  const out = new Uint8Array(187);
  const key = epochKey(MASTER, USER, deviceId(MASTER), 0, 0);
  const [data, nonce, sealed] = [
    envelope.subarray(0, 14),
    envelope.subarray(14, 30),
    envelope.subarray(30),
  ];
  return new AsconAead128().decrypt(key, nonce, data, sealed, out) ? out : undefined;
}

describe('the Espruino modules', () => {
  test.each(names)('%s passes the gate and keeps its budget', (name) => {
    const { code } = built.get(name)!;
    expect(bundleViolations(code)).toEqual([]);
    expect(code.length).toBeLessThanOrEqual(MODULE_BYTES_MAX);
  });

  test('the cipher alone keeps its budget', async () => {
    expect((await buildCipher()).code.length).toBeLessThanOrEqual(CIPHER_BYTES_MAX);
  });

  test('errors are numbers on the board and sentences for people', () => {
    const { messages } = built.get('mozaik')!;
    let found = '';
    try {
      connect(board(), { masterKey: new Uint8Array(3) });
    } catch (error) {
      found = (error as Error).message;
    }
    expect(found).toMatch(/^#\d+$/);
    expect(readMessage(found, messages)).toBe('Ascon: key and nonce have 16 bytes each');
  });
});

describe('the cipher on a board', () => {
  const code = Uint8Array.of(1, 2);

  test.each([
    ['native', { thumb: true }, true],
    ['jit', { thumb: true }, false],
    ['jit', { thumb: false }, true],
    ['jit', { thumb: true, flat: false }, true],
  ])('runs through %s with %o and machine code: %s', (speed, options, hasCode) => {
    const on = board(options);
    if (hasCode) on.storage.files.set('mozaik.p', code);
    const { sealer, cipher } = connect(on, {});
    expect(cipher).toBe(speed);
    on.bluetooth('connect');
    const calls = on.nativeCalls;
    sealer.beat(BEAT, 1000);
    expect(on.nativeCalls > calls).toBe(speed === 'native');
  });

  test('is plain where nothing else is right', () => {
    const on = board();
    on.load('mozaik', built.get('mozaik')!.code.replace('{"jit";', '{return;'));
    expect(connect(on, {}).cipher).toBe('plain');
  });

  test('stops a board that computes it wrongly', () => {
    const on = board();
    const { code, messages } = built.get('mozaik')!;
    on.load('mozaik', code.replace('>>>19', '>>>18'));
    expect(() => connect(on, {})).toThrow(
      `#${messages.indexOf('self-test: this board computes the cipher wrongly')}`,
    );
  });
});

describe('over Bluetooth', () => {
  /** The frames of the packets since the last call. */
  function frames(on: FakeBoard): Uint8Array[] {
    const found: Uint8Array[] = [];
    let frame: number[] = [];
    for (const packet of on.packets.splice(0)) {
      frame.push(...packet.subarray(1));
      if (packet[0] & LAST) {
        found.push(Uint8Array.from(frame));
        frame = [];
      }
    }
    return found;
  }
  const STORED = 3;
  const REFUSED = 4;
  const answer = (on: FakeBoard, kind: number, frame: Uint8Array) => {
    on.write(Uint8Array.of(kind, ...frame.subarray(-20, -4)));
  };
  const FRAME_MS = 30 * (1 + fragmentCount(238));

  test('greets, sends all that waits, and each until the store has it', () => {
    const on = board();
    const stored: number[] = [];
    const rejected: number[] = [];
    const device = connect(on, {
      onAcknowledged: (sequence: number) => stored.push(sequence),
      onRejected: (sequence: number) => rejected.push(sequence),
    });
    for (let n = 0; n < 3; n++) device.sealer.beat(BEAT, 1000);
    on.pass(1000);
    expect(on.packets).toEqual([]);
    on.bluetooth('connect');
    on.pass(90 + 3 * FRAME_MS);
    const [hello, ...samples] = frames(on);
    expect(hello.subarray(1, 17)).toEqual(deviceId(MASTER));
    for (const frame of [hello, ...samples]) {
      expect(Buffer.from(frame).readUInt32BE(frame.length - 4)).toBe(crc32(frame.subarray(0, -4)));
    }
    expect(samples.map((frame) => frame[0])).toEqual([FRAME_SAMPLE, FRAME_SAMPLE, FRAME_SAMPLE]);
    for (const frame of samples) expect(opens(frame.subarray(1, -4))).toEqual(BEAT);
    // No answer: the oldest again. An answer for another sample, or of another kind, settles nothing.
    answer(on, STORED, samples[1]);
    answer(on, 5, samples[0]);
    on.write(Uint8Array.of(STORED, ...samples[0].subarray(-20, -5)));
    on.pass(5000 + FRAME_MS);
    expect(frames(on)).toEqual([samples[0]]);
    expect(device.transport.pending()).toBe(3);
    answer(on, STORED, samples[0]);
    answer(on, REFUSED, samples[1]);
    expect({ stored, rejected }).toEqual({ stored: [0], rejected: [1] });
    // A new one goes out at once.
    device.sealer.beat(BEAT, 4000);
    on.pass(FRAME_MS);
    const [last] = frames(on);
    answer(on, STORED, samples[2]);
    answer(on, STORED, last);
    expect(stored).toEqual([0, 2, 3]);
    expect(device.transport.pending()).toBe(0);
    on.bluetooth('disconnect');
    on.pass(6000);
    expect(on.packets).toEqual([]);
  });

  test('with an outbox, what a power cut finds unanswered is sent again, the same bytes', () => {
    const flash = new FakeFlash(3);
    const start = (previous?: FakeBoard) => {
      const on = board({}, previous);
      on.modules.set('Flash', flash);
      const stored: number[] = [];
      const device = connect(on, {
        keep: flash.area,
        onAcknowledged: (sequence: number) => stored.push(sequence),
      });
      on.bluetooth('connect');
      return { on, device, stored };
    };
    const { on, device, stored } = start();
    for (let n = 0; n < 40; n++) expect(device.sealer.beat(BEAT, 1000)).toBe(n);
    on.pass(90 + 3 * FRAME_MS);
    const [, first, second, third] = frames(on);
    answer(on, STORED, first);
    answer(on, REFUSED, second);
    expect(device.transport.pending()).toBe(38);

    const after = start(on);
    expect(after.device.transport.pending()).toBe(38);
    expect(after.device.sealer.beat(BEAT, 2000)).toBe(BITMAP_BLOCK);
    let sent = 0;
    while (after.device.transport.pending() > 0) {
      after.on.pass(FRAME_MS);
      for (const frame of frames(after.on)) {
        if (frame[0] !== FRAME_SAMPLE) continue;
        if (sent++ === 0) expect(frame).toEqual(third);
        answer(after.on, STORED, frame);
      }
    }
    expect(stored).toEqual([0]);
    expect(after.stored).toEqual([...Array.from({ length: 38 }, (_, n) => n + 2), BITMAP_BLOCK]);
  });

  test('refuses a beat when its queue is full', () => {
    const device = connect(board(), {});
    for (let n = 0; n < 32; n++) expect(device.sealer.beat(BEAT, 1)).toBe(n);
    expect(device.sealer.beat(BEAT, 1)).toBe(-1);
  });
});

test('over a network it speaks MQTT and numbers go on after a restart', () => {
  const on = board();
  const device = connect(on, { host: 'broker', port: 1883, password: 'sesame' });
  expect(device.sealer.beat(BEAT, 1000)).toBe(0);
  expect(on.socket?.written).toEqual([]);
  on.onSocket?.();
  expect(on.socket?.written.join('')).toContain('sesame');
  on.socket?.listeners.get('data')?.('\x20\x02\x00\x00');
  const packet = Buffer.from(on.socket!.written.at(-1)!, 'latin1');
  expect(opens(packet.subarray(packet.length - 233))).toEqual(BEAT);
  on.socket?.listeners.get('data')?.('\x40\x02\x00\x01');
  expect(device.transport.pending()).toBe(0);
  device.stop();
  expect(on.intervals.size).toBe(0);
  expect(connect(board({}, on), { host: 'broker', port: 1 }).sealer.beat(BEAT, 1)).toBe(
    BITMAP_BLOCK,
  );
});

describe('the electrodes', () => {
  const heart = (t: number) => (t % 100 < 4 ? [200, 900, 3000, 800][t % 100] : 100 + (t % 7));

  test.each([[true], [false]])(
    'give beats, and none while one is loose (interval: %s)',
    (interval) => {
      const on = board();
      const leads: boolean[] = [];
      const ecg = {
        pin: 'A0',
        leadsOff: ['A1'],
        onLeads: (is: boolean) => leads.push(is),
        interval,
      };
      const device = connect(on, { ecg });
      let t = 0;
      const run = (samples: number) => {
        for (let end = t + samples; t < end;) {
          if (interval) {
            on.pins.set('A0', heart(t++) / 4096);
            on.pass(8);
          } else {
            on.waveform?.(Uint16Array.from({ length: 62 }, () => heart(t++) << 4));
          }
        }
      };
      run(1300);
      const before = device.transport.pending();
      expect(before).toBeGreaterThanOrEqual(8);
      on.pins.set('A1', 1);
      run(600);
      expect(device.transport.pending()).toBe(before);
      on.pins.set('A1', 0);
      run(1300);
      expect(device.transport.pending()).toBeGreaterThan(before + 7);
      expect(leads).toEqual([false, true]);
    },
  );
});

describe('the bitmap ledger', () => {
  test('10,000 power cuts at random instants: no number repeats, and it never refuses to start', () => {
    let seed = 7;
    const below = (n: number) => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      return Math.floor((seed / 2 ** 32) * n);
    };
    const storage = new FakeStorage();
    let last = -1;
    let cuts = 0;
    for (let life = 0; cuts < 10_000; life++) {
      let writes = below(6);
      storage.cut = (bytes) => (writes-- === 0 ? below(bytes + 1) : undefined);
      try {
        const ledger = new BitmapLedger(storage);
        for (let i = below(5 * BITMAP_BLOCK); i >= 0; i--) {
          const number = ledger.next();
          if (number <= last) throw new Error(`${number} after ${last}, in life ${life}`);
          last = number;
        }
      } catch (error) {
        if (!(error instanceof PowerCut)) throw error;
        cuts++;
      }
    }
    storage.cut = () => undefined;
    expect(new BitmapLedger(storage).next()).toBeGreaterThan(last);
    expect(last).toBeGreaterThan(1984 * BITMAP_BLOCK);
  });

  test('refuses files that are damaged', () => {
    const storage = new FakeStorage();
    new BitmapLedger(storage).next();
    for (const file of storage.files.values()) file[0] ^= 1;
    expect(() => new BitmapLedger(storage)).toThrow('must not be used again');
  });

  test('notices flash that does not keep a bit', () => {
    const storage = new FakeStorage();
    const ledger = new BitmapLedger(storage);
    storage.write = () => true;
    expect(() => ledger.next()).toThrow('does not keep');
  });
});
