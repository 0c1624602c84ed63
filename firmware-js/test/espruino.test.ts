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
import { LEDGER_BLOCK } from '../src/espruino/flash-ledger.ts';
import { fragmentCount, FRAME_SAMPLE, LAST } from '../src/fragment.ts';
import { deviceId, epochKey } from '../src/keys.ts';
import { FakeBoard } from './fake-board.ts';
import type { FakeBoardOptions } from './fake-board.ts';
import { FakeFlash } from './fake-flash.ts';

const names = Object.keys(ESPRUINO_MODULES) as EspruinoModule[];
const built = new Map(
  await Promise.all(names.map(async (name) => [name, await buildEspruino(name)] as const)),
);

const MASTER = Uint8Array.from({ length: 16 }, (_, i) => i + 1);
const USER = new Uint8Array(32).fill(3);
const BEAT = Uint8Array.from({ length: 187 }, (_, i) => i);

interface Mozaik {
  connect: (options: object) => Connected;
  provision: (masterKey: Uint8Array, address?: number) => void;
}
const mozaikOn = (on: FakeBoard) => on.modules.get('mozaik') as Mozaik;

/** A board that has just been switched on, with all modules in its Storage; provisioned when it is new. */
function board(options: FakeBoardOptions = {}, previous?: FakeBoard): FakeBoard {
  const fresh = new FakeBoard({ ...options, flash: previous?.flash ?? options.flash });
  previous?.storage.files.forEach((bytes, name) => fresh.storage.files.set(name, bytes));
  for (const [name, { code }] of built) fresh.load(name, code);
  if (!previous) mozaikOn(fresh).provision(MASTER);
  return fresh;
}

interface Connected {
  sealer: { beat: (window: Uint8Array, timeMs: number) => number };
  transport: { pending: () => number };
  cipher: string;
  stop: () => void;
}

function connect(on: FakeBoard, options: object): Connected {
  return mozaikOn(on).connect({ masterKey: MASTER, userId: USER, epochBeats: 100, ...options });
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

describe('the nonce ledger on a board', () => {
  const problem = (act: () => void): string => {
    try {
      act();
    } catch (error) {
      return readMessage((error as Error).message, built.get('mozaik')!.messages);
    }
    return 'none';
  };

  test('is made once, by `provision`, in the last two pages that are free', () => {
    const on = new FakeBoard({ flash: new FakeFlash(6) });
    for (const [name, { code }] of built) on.load(name, code);
    const { provision } = mozaikOn(on);
    expect(problem(() => connect(on, {}))).toContain('has none for this master key');
    provision(MASTER);
    expect(on.flash.erasures).toEqual([0, 0, 0, 0, 1, 0]);
    expect(problem(() => provision(MASTER))).toContain('has been provisioned before');
    expect(connect(on, {}).sealer.beat(BEAT, 1)).toBe(0);
    expect(problem(() => connect(on, { masterKey: USER.subarray(0, 16) }))).toContain('has none');
    expect(problem(() => connect(on, { keep: { addr: 0, length: 5 * 4096 } }))).toContain(
      'that of the nonce ledger',
    );
  });

  test('is where it is told to be', () => {
    const on = new FakeBoard({ flash: new FakeFlash(6) });
    for (const [name, { code }] of built) on.load(name, code);
    mozaikOn(on).provision(MASTER, 4096);
    expect(on.flash.erasures).toEqual([0, 1, 0, 0, 0, 0]);
    expect(problem(() => connect(on, {}))).toContain('has none');
    expect(connect(on, { ledger: 4096 }).sealer.beat(BEAT, 1)).toBe(0);
  });

  test('outlives Storage, and is refused where no flash is free', () => {
    const on = board();
    expect(connect(on, {}).sealer.beat(BEAT, 1)).toBe(0);
    on.storage.files.clear();
    expect(connect(board({}, on), {}).sealer.beat(BEAT, 1)).toBe(LEDGER_BLOCK);
    on.flash.getFree = () => undefined;
    expect(problem(() => connect(on, {}))).toContain('lists no two free pages');
    on.flash.getFree = () => [];
    expect(problem(() => connect(on, {}))).toContain('lists no two free pages');
    on.flash.getFree = () => [{ addr: 4096, length: 4096 }];
    expect(problem(() => connect(on, {}))).toContain('lists no two free pages');
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
    // The ledger is in the last two pages.
    const flash = new FakeFlash(5);
    const start = (previous?: FakeBoard) => {
      const on = board({ flash }, previous);
      const stored: number[] = [];
      const device = connect(on, {
        keep: { addr: 0, length: 3 * 4096 },
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
    expect(after.device.sealer.beat(BEAT, 2000)).toBe(LEDGER_BLOCK);
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
    expect(after.stored).toEqual([...Array.from({ length: 38 }, (_, n) => n + 2), LEDGER_BLOCK]);
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
    LEDGER_BLOCK,
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
