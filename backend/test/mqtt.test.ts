import { connect as connectTcp } from 'node:net';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { ENVELOPE_MAX_BYTES, toHex, TOPICS } from '@mozaik/protocol';
import type { Backend } from '../src/index.ts';
import {
  addDevice,
  ALICE,
  alice,
  call,
  closing,
  connect,
  DEVICE,
  envelope,
  login,
  mallory,
  parties,
  provider,
  publish,
  sleep,
  start,
  until,
} from './support.ts';

let backend: Backend;
let user: string;
let device: string;

beforeAll(async () => {
  backend = await start();
  user = await login(backend, alice, 'user');
  device = await addDevice(backend, user);
});

const stored = async (): Promise<number> => {
  const { bytes } = await call(backend, undefined, 'GET /metrics');
  const found = /^mozaik_samples_stored_total (\d+)$/m.exec(Buffer.from(bytes).toString());
  return Number(found?.[1]);
};

describe('connecting', () => {
  test.each([
    ['no token', undefined, 5],
    ['a wrong token', 'x', 4],
  ])('%s is refused by CONNACK', async (_case, token, code) => {
    await expect(connect(backend, token)).rejects.toMatchObject({ code });
  });

  test('a provider has no business here', async () => {
    const token = await login(backend, provider, 'provider');
    await expect(connect(backend, token)).rejects.toMatchObject({ code: 5 });
  });

  test('a will is refused', async () => {
    const will = {
      topic: TOPICS.samples(ALICE, DEVICE, 0),
      payload: Buffer.from(envelope(9)),
      qos: 1,
    };
    const options = { will: { ...will, qos: 1 as const, retain: false } };
    await expect(connect(backend, device, options)).rejects.toMatchObject({ code: 5 });
  });

  test('a keep-alive of zero or of hours is refused', async () => {
    await expect(connect(backend, device, { keepalive: 0 })).rejects.toThrow();
    await expect(connect(backend, device, { keepalive: 10_000 })).rejects.toThrow();
  });

  test('a device has one connection; the newer one wins', async () => {
    const first = await connect(backend, device);
    const closed = closing(first);
    const second = await connect(backend, device);
    await closed;
    expect(await publish(second, envelope(500))).toBe('acknowledged');
  });

  test("nobody's connection can be taken over by using its client id", async () => {
    const first = await connect(backend, user, { clientId: 'same' });
    let isClosed = false;
    first.once('close', () => (isClosed = true));
    await connect(backend, await login(backend, mallory, 'user'), { clientId: 'same' });
    await sleep(100);
    expect(isClosed).toBe(false);
  });
});

describe('publishing', () => {
  const cases: [string, () => Promise<'acknowledged' | 'closed'>][] = [
    [
      "to another user's topic",
      async () =>
        publish(await connect(backend, device), envelope(1), {
          topic: TOPICS.samples('ab'.repeat(32), DEVICE, 0),
        }),
    ],
    [
      "to another device's topic",
      async () =>
        publish(await connect(backend, device), envelope(1), {
          topic: TOPICS.samples(ALICE, '0c'.repeat(16), 0),
        }),
    ],
    [
      'to another stream than the envelope names',
      async () => publish(await connect(backend, device), envelope(1, { stream: 1 })),
    ],
    [
      'to a stream written differently',
      async () =>
        publish(await connect(backend, device), envelope(1), {
          topic: `mozaik/v1/u/${ALICE}/d/${DEVICE}/s/00`,
        }),
    ],
    [
      'to a topic that parties listen on',
      async () =>
        publish(await connect(backend, device), Buffer.from('{}'), {
          topic: TOPICS.partyJobs(toHex(parties[0].id)),
        }),
    ],
    [
      'to the broker itself',
      async () => publish(await connect(backend, device), envelope(1), { topic: '$SYS/x' }),
    ],
    ['with QoS 0', async () => publish(await connect(backend, device), envelope(1), { qos: 0 })],
    ['with QoS 2', async () => publish(await connect(backend, device), envelope(1), { qos: 2 })],
    [
      'retained',
      async () => publish(await connect(backend, device), envelope(1), { retain: true }),
    ],
    ['as a user', async () => publish(await connect(backend, user), envelope(1))],
    [
      'as a party',
      async () =>
        publish(await connect(backend, await login(backend, parties[0], 'party')), envelope(1)),
    ],
    ['nothing', async () => publish(await connect(backend, device), new Uint8Array(0))],
    [
      'an envelope that is too short',
      async () => publish(await connect(backend, device), envelope(1).subarray(0, -1)),
    ],
    [
      'an envelope that is too long',
      async () => publish(await connect(backend, device), new Uint8Array(ENVELOPE_MAX_BYTES + 1)),
    ],
    [
      'an unknown version',
      async () => {
        const payload = envelope(1);
        payload[0] = 2;
        return publish(await connect(backend, device), payload);
      },
    ],
  ];

  test.each(cases)('%s: no PUBACK, connection closed, nothing stored', async (_case, attempt) => {
    const before = await stored();
    expect(await attempt()).toBe('closed');
    expect(await stored()).toBe(before);
  });

  test('an own sample is acknowledged and stored', async () => {
    const before = await stored();
    expect(await publish(await connect(backend, device), envelope(1))).toBe('acknowledged');
    expect(await stored()).toBe(before + 1);
  });
});

describe('subscribing', () => {
  const granted = async (token: string, topic: string): Promise<boolean> => {
    const client = await connect(backend, token);
    return client.subscribeAsync(topic, { qos: 1 }).then(
      () => true,
      () => false,
    );
  };
  const party = toHex(parties[0].id);

  test('each role to its own topics, exactly', async () => {
    const partyToken = await login(backend, parties[0], 'party');
    expect(await granted(user, TOPICS.userJobs(ALICE))).toBe(true);
    expect(await granted(partyToken, TOPICS.partyJobs(party))).toBe(true);
    expect(await granted(partyToken, TOPICS.partyRevocations(party))).toBe(true);
    expect(await granted(partyToken, TOPICS.partyJobs(toHex(parties[1].id)))).toBe(false);
    expect(await granted(user, TOPICS.partyJobs(party))).toBe(false);
    expect(await granted(device, TOPICS.samples(ALICE, DEVICE, 0))).toBe(false);
    expect(await granted(user, TOPICS.samples(ALICE, DEVICE, 0))).toBe(false);
  });

  test.each([
    '#',
    '+/#',
    'mozaik/v1/u/+/jobs',
    `mozaik/v1/u/${ALICE}/#`,
    '$SYS/#',
    '$SYS/+/new/clients',
  ])('no wildcard: %s', async (topic) => expect(await granted(user, topic)).toBe(false));

  test('nobody hears what a device publishes', async () => {
    const listener = await connect(backend, user);
    const heard: string[] = [];
    listener.on('message', (topic) => heard.push(topic));
    await listener.subscribeAsync(TOPICS.userJobs(ALICE));
    await publish(await connect(backend, device), envelope(77));
    await sleep(100);
    expect(heard).toEqual([]);
  });
});

describe('abuse', () => {
  test('a packet that announces 256 MB is cut off after its header', async () => {
    const socket = connectTcp(Number(new URL(backend.mqttUrl).port), '127.0.0.1');
    socket.on('error', () => undefined);
    const closed = new Promise((resolve) => socket.once('close', resolve));
    // CONNECT with a remaining length of 268 435 455.
    socket.write(Buffer.from([0x10, 0xff, 0xff, 0xff, 0x7f]));
    await closed;
  });

  test('an announced length just above the limit, once connected', async () => {
    const client = await connect(backend, device);
    const closed = closing(client);
    client.stream.write(Buffer.from([0x30, 0x81, 0x80, 0x01]));
    await closed;
  });

  test('a flood of pings ends the connection', async () => {
    const client = await connect(backend, device);
    const closed = closing(client);
    client.stream.write(Buffer.alloc(2000, Buffer.from([0xc0, 0x00])));
    await closed;
  });

  test('a topic of very many levels does not stop the broker', async () => {
    const client = await connect(backend, device);
    expect(await publish(client, envelope(1), { topic: '/'.repeat(5000) })).toBe('closed');
    await expect(connect(backend, device)).resolves.toBeTruthy();
  });

  test('a sender above its rate is slowed down, loses nothing, and hinders nobody', async () => {
    const slow = await start({ limits: { publishRate: 50, publishBurst: 10 } });
    const token = await login(slow, alice, 'user');
    const flooding = await connect(slow, await addDevice(slow, token));
    const begin = Date.now();
    const flood = Promise.all(Array.from({ length: 60 }, (_, i) => publish(flooding, envelope(i))));
    const other = '0d'.repeat(16);
    const calm = await connect(slow, await addDevice(slow, token, other));
    const topic = TOPICS.samples(ALICE, other, 0);
    expect(await publish(calm, envelope(1), { topic })).toBe('acknowledged');
    expect(Date.now() - begin).toBeLessThan(700);
    expect(new Set(await flood)).toEqual(new Set(['acknowledged']));
    // 60 samples, 10 of them at once: 50 more at 50 per second.
    expect(Date.now() - begin).toBeGreaterThan(900);
  });

  test('one user cannot hold every connection', async () => {
    const one = await start();
    const token = await login(one, alice, 'user');
    for (let i = 0; i < 16; i++) await connect(one, token);
    await expect(connect(one, token)).rejects.toMatchObject({ code: 5 });
    const other = await login(one, mallory, 'user');
    await expect(connect(one, other)).resolves.toBeTruthy();
  });

  test('a connection does not outlive its token', async () => {
    let now = Date.now();
    const clocked = await start({ now: () => now });
    const client = await connect(clocked, await login(clocked, alice, 'user'));
    let isClosed = false;
    client.once('close', () => (isClosed = true));
    await sleep(1200);
    expect(isClosed).toBe(false);
    now += 3_601_000;
    await until(() => isClosed || undefined, 'the connection to close');
  });
});
