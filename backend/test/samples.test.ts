import { describe, expect, test } from '@jest/globals';
import { decodeCanonical, samplePage, TOPICS } from '@mozaik/protocol';
import { openDatabase } from '../src/store/database.ts';
import { SampleStore } from '../src/store/samples.ts';
import {
  addDevice,
  ALICE,
  alice,
  call,
  connect,
  DEVICE,
  envelope,
  login,
  mallory,
  publish,
  start,
  temporaryFolder,
} from './support.ts';

const STREAM = { user: ALICE, device: DEVICE, stream: 0 };

async function open(folder = temporaryFolder()) {
  const db = await openDatabase(folder);
  return { db, folder, store: new SampleStore(db, () => 5) };
}

async function all(store: SampleStore, ...range: [number?, number?, number?]) {
  const found = [];
  for await (const sample of store.read(STREAM, ...range)) found.push(sample);
  return found;
}

describe('the sample store', () => {
  test('keeps samples in the order of their numbers, through a restart', async () => {
    const { db, folder, store } = await open();
    const numbers = [70_000, 3, 0xffffffff, 256, 0, 255];
    await Promise.all(numbers.map((sequence) => store.put(STREAM, sequence, envelope(sequence))));
    await db.close();
    const again = await open(folder);
    const found = await all(again.store);
    expect(found.map(({ sequence }) => sequence)).toEqual([0, 3, 255, 256, 70_000, 0xffffffff]);
    expect(found.every(({ received }) => received === 5)).toBe(true);
    const some = await all(again.store, 3, 256);
    expect(some.map(({ sequence }) => sequence)).toEqual([3, 255, 256]);
    expect(await all(again.store, 0, undefined, 2)).toHaveLength(2);
    await again.db.close();
  });

  test('streams, devices and users do not mix', async () => {
    const { db, store } = await open();
    await store.put({ ...STREAM, stream: 1 }, 1, envelope(1, { stream: 1 }));
    await store.put({ ...STREAM, device: '0b'.repeat(16) }, 1, envelope(1));
    await store.put({ ...STREAM, user: 'ff'.repeat(32) }, 1, envelope(1));
    expect(await all(store)).toEqual([]);
    await db.close();
  });

  test('the same bytes again are fine and kept once', async () => {
    const { db, store } = await open();
    const payload = envelope(1);
    expect(await store.put(STREAM, 1, payload)).toBe(true);
    expect(await store.put(STREAM, 1, payload)).toBe(false);
    expect(await all(store)).toHaveLength(1);
    await db.close();
  });

  test('of many different ones that race for one number, exactly one is kept and acknowledged', async () => {
    const { db, store } = await open();
    const payloads = Array.from({ length: 50 }, () => envelope(1));
    // Keeps the disk busy, so that the others share one batch.
    void store.put(STREAM, 0, envelope(0));
    const outcomes = await Promise.allSettled(payloads.map((one) => store.put(STREAM, 1, one)));
    const kept = outcomes.flatMap(({ status }, i) => (status === 'fulfilled' ? [payloads[i]] : []));
    expect(kept).toHaveLength(1);
    const [, stored] = await all(store);
    expect(Buffer.from(stored.envelope).equals(kept[0])).toBe(true);
    const refused = outcomes.find(({ status }) => status === 'rejected') as PromiseRejectedResult;
    expect(refused.reason).toMatchObject({ code: 'SEQUENCE_CONFLICT' });
    await db.close();
  });

  test('a disk that fails is reported, and the next write works', async () => {
    const { db, store } = await open();
    let isBroken = true;
    const flaky = {
      ...db,
      write: (writes: Parameters<typeof db.write>[0]) =>
        isBroken ? Promise.reject(new Error('no space')) : db.write(writes),
    };
    const failing = new SampleStore(flaky, () => 5);
    await expect(failing.put(STREAM, 1, envelope(1))).rejects.toMatchObject({ code: 'INTERNAL' });
    isBroken = false;
    expect(await failing.put(STREAM, 1, envelope(1))).toBe(true);
    expect(await all(store)).toHaveLength(1);
    await db.close();
  });
});

describe('samples over MQTT and HTTP', () => {
  test('a repeated sample is acknowledged and kept once; another under its number is not', async () => {
    const backend = await start();
    const user = await login(backend, alice, 'user');
    const device = await addDevice(backend, user);
    const first = envelope(1);
    expect(await publish(await connect(backend, device), first)).toBe('acknowledged');
    expect(await publish(await connect(backend, device), first)).toBe('acknowledged');
    expect(await publish(await connect(backend, device), envelope(1))).toBe('closed');
    const { bytes } = await call(backend, user, `GET /v1/samples?device=${DEVICE}`);
    const { samples } = decodeCanonical(bytes, samplePage, 'page');
    expect(samples.map(({ envelope: kept }) => Buffer.from(kept))).toEqual([Buffer.from(first)]);
  });

  test('pages of a stream belong to its user', async () => {
    const backend = await start();
    const user = await login(backend, alice, 'user');
    const client = await connect(backend, await addDevice(backend, user));
    const topic = TOPICS.samples(ALICE, DEVICE, 3);
    const numbers = Array.from({ length: 20 }, (_, i) => i * 3);
    await Promise.all(
      numbers.map((sequence) => publish(client, envelope(sequence, { stream: 3 }), { topic })),
    );
    const page = async (token: string, query: string) => {
      const path = `GET /v1/samples?device=${DEVICE}&${query}`;
      const { samples } = decodeCanonical(
        (await call(backend, token, path)).bytes,
        samplePage,
        'page',
      );
      return samples.map(({ envelope: bytes }) => Buffer.from(bytes).readUInt32BE(16));
    };
    expect(await page(user, 'stream=3')).toEqual(numbers);
    expect(await page(user, 'stream=3&from=10&limit=3')).toEqual([12, 15, 18]);
    expect(await page(user, 'stream=0')).toEqual([]);
    expect(await page(await login(backend, mallory, 'user'), 'stream=3')).toEqual([]);
  });
});
