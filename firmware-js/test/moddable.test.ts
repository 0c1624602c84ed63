import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { BEAT_ENVELOPE_BYTES } from '@mozaik/protocol/envelope';
import { ascon } from '../src/ascon.ts';
import { LEDGER_BLOCK, NonceLedger, provisionLedger } from '../src/ledger.ts';
import { EcgSensor } from '../src/moddable/ecg.ts';
import { keyValueLedger } from '../src/moddable/ledger.ts';
import { ModdableMqtt } from '../src/moddable/mqtt.ts';
import { keyValueOutbox } from '../src/moddable/outbox.ts';
import { selfTest } from '../src/moddable/self-test.ts';
import { Outbox } from '../src/outbox.ts';
import { Publisher } from '../src/publisher.ts';

interface Written {
  payload: ArrayBuffer | null;
  options: { operation?: number; topic?: string; QoS?: number; id?: number; duplicate?: boolean };
}

interface ClientOptions {
  host: string;
  user: string;
  password: string;
  dns: string;
  onControl: (message: { operation: number; id?: number }) => void;
  onError: () => void;
}

/** The platform's MQTT client, with what was written to it and hands to answer. */
class FakeMqtt {
  static readonly CONNACK = 2;
  static readonly PUBACK = 4;
  static readonly DISCONNECT = 14;
  static readonly made: FakeMqtt[] = [];
  static full = false;
  readonly written: Written[] = [];
  readonly options: ClientOptions;
  closed = false;

  constructor(options: object) {
    this.options = options as ClientOptions;
    FakeMqtt.made.push(this);
  }

  write(payload: ArrayBuffer | null, options: Written['options']): void {
    if (FakeMqtt.full) throw new Error('no room');
    this.written.push({ payload, options });
  }

  close(): void {
    this.closed = true;
  }
}

const envelope = (n: number) => {
  const bytes = new Uint8Array(BEAT_ENVELOPE_BYTES).fill(n);
  bytes.set([0, 0, 0, n], 16);
  return bytes;
};

function start() {
  FakeMqtt.made.length = 0;
  FakeMqtt.full = false;
  const acknowledged: number[] = [];
  const reasons: string[] = [];
  const network = { io: FakeMqtt, dns: 'resolver' };
  const publisher = new Publisher({
    client: (events) => new ModdableMqtt({ network, host: 'broker', port: 8883 }, events),
    clientId: 'board',
    username: 'board',
    password: 'sesame',
    topic: 'a/b',
    random: (bytes) => bytes.fill(0),
    onAcknowledged: (sequence) => acknowledged.push(sequence),
    onDisconnected: (reason) => reasons.push(reason),
  });
  return { publisher, acknowledged, reasons };
}

describe('publishing through the platform', () => {
  test('is acknowledged, and repeated over a new connection when it is not', () => {
    const { publisher, acknowledged } = start();
    publisher.tick(0);
    const [first] = FakeMqtt.made;
    expect(first.options).toMatchObject({ host: 'broker', password: 'sesame', dns: 'resolver' });
    expect(first.options).toMatchObject({ keepalive: 60_000, clean: true });
    publisher.offer(envelope(1));
    publisher.offer(envelope(2));
    expect(first.written).toEqual([]);
    first.options.onControl({ operation: FakeMqtt.CONNACK });
    expect(first.written.map(({ options }) => options)).toEqual([
      { topic: 'a/b', QoS: 1, id: 1, duplicate: false },
      { topic: 'a/b', QoS: 1, id: 2, duplicate: false },
    ]);
    expect(new Uint8Array(first.written[0].payload!)).toEqual(envelope(1));
    first.options.onControl({ operation: FakeMqtt.PUBACK, id: 1 });
    expect(acknowledged).toEqual([1]);
    first.options.onError();
    expect(first.closed).toBe(true);
    publisher.tick(2000);
    const second = FakeMqtt.made[1];
    second.options.onControl({ operation: FakeMqtt.CONNACK });
    expect(second.written[0].options).toMatchObject({ id: 2, duplicate: true });
    second.options.onControl({ operation: FakeMqtt.PUBACK, id: 2 });
    expect(publisher.pending()).toBe(0);
    publisher.stop();
    expect(second.written.at(-1)?.options).toEqual({ operation: FakeMqtt.DISCONNECT });
    expect(second.closed).toBe(true);
  });

  test('gives up a broker that is silent, and a client that takes no more', () => {
    const { publisher, reasons } = start();
    publisher.tick(0);
    publisher.tick(10_000);
    expect(reasons).toEqual(['the broker does not answer']);
    publisher.tick(12_000);
    FakeMqtt.full = true;
    publisher.offer(envelope(1));
    FakeMqtt.made[1].options.onControl({ operation: FakeMqtt.CONNACK });
    expect(reasons[1]).toBe('the connection does not take bytes');
    expect(publisher.pending()).toBe(1);
    FakeMqtt.full = false;
    publisher.tick(20_000);
    FakeMqtt.made[2].options.onControl({ operation: FakeMqtt.CONNACK });
    FakeMqtt.full = true;
    publisher.stop();
    expect(FakeMqtt.made[2].closed).toBe(true);
  });
});

describe('the ECG sensor class', () => {
  class Pin {
    static values: Record<string, number> = {};
    readonly resolution = 10;
    readonly options: { pin: string };
    constructor(options: object) {
      this.options = options as { pin: string };
    }
    read(): number {
      return Pin.values[this.options.pin];
    }
    close(): void {
      delete Pin.values[this.options.pin];
    }
  }

  test('reads 12 bits, tells of loose electrodes once, and can be turned over', () => {
    Pin.values = { out: 512, off: 0 };
    let alerts = 0;
    const sensor = new EcgSensor({
      sensor: { io: Pin, pin: 'out' },
      leadsOff: [{ io: Pin, pin: 'off' }],
      onAlert: () => alerts++,
    });
    expect(sensor.sample()).toEqual({ ecg: 2048 });
    Pin.values.off = 1;
    expect([sensor.sample(), sensor.sample()]).toEqual([{}, {}]);
    expect(alerts).toBe(1);
    Pin.values.off = 0;
    sensor.configure({ inverted: true });
    expect(sensor.sample()).toEqual({ ecg: 2047 });
    expect(alerts).toBe(2);
    sensor.close();
    expect(Pin.values).toEqual({});
  });
});

function keyValueStorage() {
  const domain = new Map<string, ArrayBuffer>();
  const storage = {
    open: () => ({
      read: (key: string) => domain.get(key),
      write: (key: string, value: ArrayBuffer) => void domain.set(key, value),
      delete: (key: string) => void domain.delete(key),
    }),
  };
  return { domain, storage };
}

test('the outbox keeps samples in key-value storage until they are acknowledged', () => {
  const { domain, storage } = keyValueStorage();
  const start = () => new Outbox(keyValueOutbox(storage, 3), new Uint8Array(16), 0);
  const outbox = start();
  const sent: Uint8Array[] = [];
  const sink = { offer: (bytes: Uint8Array) => sent.push(bytes.slice()) > 0 };
  outbox.start(sink);
  for (let n = 1; n <= 3; n++) expect(outbox.offer(envelope(n))).toBe(true);
  expect(outbox.offer(envelope(4))).toBe(false);
  outbox.settle(2);
  expect(domain.size).toBe(2);
  expect(outbox.offer(envelope(5))).toBe(true);
  // One that the power cut short.
  const [key, whole] = [...domain][0];
  domain.set(key, whole.slice(0, 100));
  sent.length = 0;
  const after = start();
  after.start(sink);
  expect(sent).toEqual([envelope(3), envelope(5)]);
  expect(after.offer(envelope(6))).toBe(true);
});

test('the outbox refuses what a full partition does not take', () => {
  const { domain, storage } = keyValueStorage();
  const { write } = storage.open();
  const full = {
    open: () => ({
      ...storage.open(),
      write: (key: string, value: ArrayBuffer) => {
        if (domain.size === 2) throw new Error('ESP_ERR_NVS_NOT_ENOUGH_SPACE');
        write(key, value);
      },
    }),
  };
  const outbox = new Outbox(keyValueOutbox(full, 5), new Uint8Array(16), 0);
  outbox.start({ offer: () => true });
  expect([1, 2, 3, 4].map((n) => outbox.offer(envelope(n)))).toEqual([true, true, false, false]);
  expect([outbox.refused, outbox.pending()]).toEqual([2, 2]);
  outbox.settle(1);
  expect(outbox.offer(envelope(5))).toBe(true);
});

test('the ledger goes on in key-value storage, and is not begun again when it is lost', () => {
  const { domain, storage } = keyValueStorage();
  const device = new Uint8Array(16).fill(0xab);
  const slots = keyValueLedger(storage, device);
  const open = () => new NonceLedger(keyValueLedger(storage, device), undefined, true);
  expect(open).toThrow('none for this master key');
  provisionLedger(slots);
  expect(open().next()).toBe(0);
  expect(open().next()).toBe(LEDGER_BLOCK);
  expect([...domain.keys()]).toEqual(['ababababababa0', 'ababababababa1']);
  expect(() => {
    provisionLedger(slots);
  }).toThrow('provisioned before');
  // Another key has another ledger.
  provisionLedger(keyValueLedger(storage, new Uint8Array(16)));
  expect(open().next()).toBe(2 * LEDGER_BLOCK);
  domain.delete('ababababababa0');
  domain.delete('ababababababa1');
  expect(open).toThrow('none for this master key');
});

/** The app that `mozaik flash` builds, started with what it imports and what its platform has. */
function startApp(isProvisioned: boolean) {
  const file = path.resolve(import.meta.dirname, '../moddable/flash/main.js');
  const body = readFileSync(file, 'utf8').replace(/^import .*;$/gm, '');
  const app = { hasLedger: isProvisioned, starts: 0, said: [] as string[], traced: [] as string[] };
  let options: { onReadable: () => void; read?: () => string } | undefined;
  let speak = () => {};
  const given: Record<string, unknown> = {
    timer: {
      repeat: (callback: () => void) => (speak = callback),
      clear: () => {
        speak = () => {};
      },
    },
    deviceId: (key: Uint8Array) => key,
    provision: () => (app.hasLedger = true),
    selfTest: () => {},
    start: () => {
      if (!app.hasLedger) throw new Error('no ledger');
      app.starts++;
    },
    settings: { masterKey: [1, 2, 3], userId: [] },
    trace: (text: string) => app.traced.push(text),
    ArrayBuffer: { fromString: (text: string) => text },
    String: { fromArrayBuffer: (text: string) => text },
    device: {
      Serial: { default: {} },
      io: {
        Serial: class {
          constructor(made: typeof options) {
            options = made;
          }
          write(text: string) {
            app.said.push(text);
          }
        },
      },
    },
  };
  // eslint-disable-next-line @typescript-eslint/no-implied-eval
  const main = new Function(...Object.keys(given), body) as (...values: unknown[]) => void;
  main(...Object.values(given));
  const hear = (text: string) => {
    options!.onReadable.call({ ...options!, read: () => text });
  };
  return Object.assign(app, { hear, speak: () => speak() });
}

describe('the app of `mozaik flash`', () => {
  test('runs with its ledger, and says so for a minute', () => {
    const app = startApp(true);
    for (let n = 0; n < 40; n++) app.speak();
    expect(app.said).toEqual(Array(30).fill('mozaik plain 1,2,3\r\n'));
    app.hear('provision 1,2,3\r');
    expect(app.starts).toBe(1);
  });

  test('makes its ledger only when it is told to', () => {
    const app = startApp(false);
    app.speak();
    app.hear('provision 1,2\rprov');
    expect([app.starts, app.hasLedger, app.traced]).toEqual([0, false, ['no ledger\n']]);
    app.hear('ision 1,2,3\r');
    app.speak();
    expect([app.starts, app.hasLedger]).toEqual([1, true]);
    expect(app.said).toEqual(['mozaik new 1,2,3\r\n', 'mozaik plain 1,2,3\r\n']);
  });
});

test('the self-test stops a board that computes wrongly', () => {
  selfTest();
  const right = ascon.permute;
  ascon.permute = (s, first) => {
    right(s, first);
    s[7] ^= 1;
  };
  try {
    expect(selfTest).toThrow('self-test');
  } finally {
    ascon.permute = right;
  }
});
