import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { AedesOptions } from 'aedes';
import { BEAT_SAMPLES } from '@mozaik/protocol/envelope';
import { AsconAead128 } from '../src/ascon.ts';
import { deviceId, epochKey, epochOf } from '../src/keys.ts';
import { LEDGER_BLOCK, NonceLedger } from '../src/ledger.ts';
import { fileLedgerStorage, openSocket, randomBytes, runSensor } from '../src/node.ts';
import type { RunningSensor, RunSensorOptions } from '../src/node.ts';
import { Publisher } from '../src/publisher.ts';
import type { PublisherOptions } from '../src/publisher.ts';
import { HeartbeatSensor } from '../src/sensor.ts';
import { sampleTopic } from '../src/topic.ts';
import { startBroker, startFlakyLink } from './broker.ts';
import type { Received } from './broker.ts';

const masterKey = Uint8Array.from({ length: 16 }, (_, i) => i * i);
const userId = new Uint8Array(32).fill(3);
const TIME = 1.78e12;
const topic = sampleTopic(userId, deviceId(masterKey), 1);

const beatOf = (n: number) => Uint8Array.from({ length: BEAT_SAMPLES }, (_, i) => (n * i) & 0xff);

const sequenceOf = (envelope: Uint8Array) => Buffer.from(envelope).readUInt32BE(16);

function open(envelope: Uint8Array): Uint8Array | undefined {
  const key = epochKey(masterKey, userId, deviceId(masterKey), 1, epochOf(TIME));
  const out = new Uint8Array(BEAT_SAMPLES);
  const [data, nonce, sealed] = [[0, 14], [14, 30], [30]].map(([from, to]) =>
    envelope.subarray(from, to),
  );
  return new AsconAead128().decrypt(key, nonce, data, sealed, out) ? out : undefined;
}

let folder: string;
const closers: (() => void | Promise<void>)[] = [];

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'firmware-'));
});

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) {
    await close();
  }
  rmSync(folder, { recursive: true });
});

async function broker(options: AedesOptions) {
  const started = await startBroker(options);
  closers.push(started.close);
  return started;
}

function run(port: number, options: Partial<RunSensorOptions>): RunningSensor {
  const running = runSensor({
    host: '127.0.0.1',
    port,
    masterKey,
    userId,
    stream: 1,
    ledgerFolder: folder,
    ...options,
  });
  closers.push(running.close);
  return running;
}

/** A sensor whose publisher lives so many times faster than the wall clock. */
function accelerated(port: number, speed: number, options: Partial<PublisherOptions>) {
  const publisher = new Publisher({
    connect: () => openSocket({ host: '127.0.0.1', port }),
    clientId: 'board',
    topic,
    random: randomBytes,
    ...options,
  });
  const sensor = new HeartbeatSensor({
    masterKey,
    userId,
    stream: 1,
    clock: () => TIME,
    random: randomBytes,
    ledger: new NonceLedger(fileLedgerStorage(folder)),
    sink: publisher,
  });
  const tick = () => {
    publisher.tick(performance.now() * speed);
  };
  const timer = setInterval(tick, 5);
  closers.push(() => {
    clearInterval(timer);
    publisher.stop();
  });
  return { publisher, sensor };
}

/** Each sequence number once; what was received more than once must have been identical. */
function deduplicate(received: Received[]): Map<number, Uint8Array> {
  const samples = new Map<number, Uint8Array>();
  for (const { payload } of received) {
    const sequence = sequenceOf(payload);
    expect(samples.get(sequence) ?? payload).toEqual(payload);
    samples.set(sequence, payload);
  }
  return samples;
}

function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

describe('against a real broker', () => {
  test('a running sensor publishes what its keys open', async () => {
    const { port, received } = await broker({
      authenticate: (_, username, password, done) => {
        done(null, username === 'me' && password?.toString() === 'sesame');
      },
    });
    const acknowledged: number[] = [];
    const { sensor, flush } = run(port, {
      username: 'me',
      password: 'sesame',
      onAcknowledged: (sequence) => acknowledged.push(sequence),
    });
    for (let n = 0; n < 20; n++) {
      expect(sensor.beat(beatOf(n), TIME + n)).toBe(n);
    }
    expect(await flush(5000)).toBe(true);
    expect(acknowledged).toEqual(Array.from({ length: 20 }, (_, n) => n));
    expect(received.map((message) => message.topic)).toEqual(Array(20).fill(topic));
    received.forEach(({ payload }, n) => {
      expect(open(payload)).toEqual(beatOf(n));
    });
  });

  test('a refusal is named and nothing is lost', async () => {
    const { port } = await broker({
      authenticate: (_client, _username, _password, done) => {
        const refusal = Object.assign(new Error('no'), { returnCode: 4 });
        done(refusal, false);
      },
    });
    const reasons: string[] = [];
    const { sensor, flush } = run(port, { onDisconnected: (reason) => reasons.push(reason) });
    sensor.beat(beatOf(1), TIME);
    expect(await flush(300)).toBe(false);
    expect(reasons[0]).toBe('the broker refused the connection: bad user name or password');
  });

  test('200 beats over a link that breaks at random all arrive', async () => {
    const { port, received } = await broker({});
    const link = await startFlakyLink(port, generator(7), 0.08);
    closers.push(link.close);
    const acknowledged: number[] = [];
    const rejected: number[] = [];
    const { publisher, sensor } = accelerated(link.port, 50, {
      onAcknowledged: (sequence) => acknowledged.push(sequence),
      onRejected: (sequence) => rejected.push(sequence),
    });
    for (let n = 0; n < 200; n++) {
      while (publisher.pending() > 2) {
        await sleep(2);
      }
      expect(sensor.beat(beatOf(n), TIME)).toBe(n);
    }
    while (publisher.pending() > 0) {
      await sleep(5);
    }
    expect(link.cuts()).toBeGreaterThan(5);
    expect(received.length).toBeGreaterThan(200);
    const samples = deduplicate(received);
    expect(samples.size).toBe(200);
    for (const [sequence, envelope] of samples) {
      expect(open(envelope)).toEqual(beatOf(sequence));
    }
    expect(acknowledged.sort((a, b) => a - b)).toEqual(Array.from({ length: 200 }, (_, n) => n));
    expect(rejected).toEqual([]);
  });

  test('a sample that the broker always refuses does not block the others', async () => {
    const { port, received } = await broker({
      authorizePublish: (_, packet, done) => {
        const poison = sequenceOf(packet.payload as Buffer) === 3;
        done(poison ? new Error('refused') : null);
      },
    });
    const rejected: number[] = [];
    const { publisher, sensor } = accelerated(port, 100, {
      onRejected: (sequence) => rejected.push(sequence),
    });
    for (let n = 0; n < 10; n++) {
      sensor.beat(beatOf(n), TIME);
    }
    while (publisher.pending() > 0) {
      await sleep(5);
    }
    expect(rejected).toEqual([3]);
    expect([...deduplicate(received).keys()].sort()).toEqual([0, 1, 2, 4, 5, 6, 7, 8, 9]);
  });

  test('no broker at all is only waited for', async () => {
    const { port, close } = await startBroker({});
    await close();
    const reasons: string[] = [];
    const { sensor, publisher } = run(port, { onDisconnected: (reason) => reasons.push(reason) });
    sensor.beat(beatOf(0), TIME);
    await sleep(200);
    expect(reasons).toEqual(['the connection was lost']);
    expect(publisher.pending()).toBe(1);
  });
});

test('with an outbox, what was not acknowledged when the process ended is published by the next', async () => {
  const { port: nobody, close } = await startBroker({});
  await close();
  const first = run(nobody, { keep: 40 });
  for (let n = 0; n < 40; n++) expect(first.sensor.beat(beatOf(n), TIME)).toBe(n);
  expect(first.sensor.beat(beatOf(40), TIME)).toBe(-1);
  first.close();

  const { port, received } = await broker({});
  const second = run(port, { keep: 40 });
  expect(second.outbox?.pending()).toBe(40);
  expect(await second.flush(20_000)).toBe(true);
  expect([...deduplicate(received).keys()]).toEqual(Array.from({ length: 40 }, (_, n) => n));
  received.forEach(({ payload }, n) => {
    expect(open(payload)).toEqual(beatOf(n));
  });
  expect(readdirSync(folder).sort()).toEqual(['ledger-0', 'ledger-1']);
});

describe('the ledger in files', () => {
  test('is private, and carries the count over restarts', async () => {
    const { port } = await broker({});
    const first = run(port, {});
    expect(first.sensor.beat(beatOf(0), TIME)).toBe(0);
    first.close();
    expect(run(port, {}).sensor.beat(beatOf(0), TIME)).toBe(LEDGER_BLOCK);
    for (const slot of [0, 1]) {
      expect(statSync(path.join(folder, `ledger-${slot}`)).mode & 0o777).toBe(0o600);
    }
  });

  test('that is damaged stops the sensor from starting', () => {
    writeFileSync(path.join(folder, 'ledger-0'), 'x');
    writeFileSync(path.join(folder, 'ledger-1'), '');
    expect(() => run(1, {})).toThrow('must not be used again');
  });
});
