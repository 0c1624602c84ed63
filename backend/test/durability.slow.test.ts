/** PUBACK means durable: after a kill at any instant, every acknowledged sample is there. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { expect, test } from '@jest/globals';
import {
  decodeCanonical,
  decodeSample,
  samplePage,
  SAMPLES_PAGE_MAX,
  TOPICS,
} from '@mozaik/protocol';
import {
  addDevice,
  ALICE,
  alice,
  AUDIENCE,
  call,
  connect,
  envelope,
  login,
  sleep,
  temporaryFolder,
} from './support.ts';

const CYCLES = 8;
const DEVICES = 4;
const main = resolve(import.meta.dirname, '../src/main.ts');

async function spawnBackend(dataDir: string) {
  const limits = { publishRate: 1_000_000, publishBurst: 1_000_000 };
  const options = { dataDir, audience: AUDIENCE, logLevel: 'silent', limits };
  const child = spawn(process.execPath, ['--import', 'tsx', main], {
    env: { PATH: process.env['PATH'], MOZAIK_BACKEND: JSON.stringify(options) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  return { child, ...(JSON.parse(line.toString()) as { httpUrl: string; mqttUrl: string }) };
}

test('no acknowledged sample is lost to kill -9', async () => {
  const dataDir = temporaryFolder();
  const devices = Array.from({ length: DEVICES }, (_, i) => `0${i + 1}`.repeat(16));
  const acknowledged = devices.map(() => new Map<number, Uint8Array>());
  const next = devices.map(() => 0);
  let unanswered = 0;

  for (let cycle = 0; cycle < CYCLES; cycle++) {
    const { child, ...backend } = await spawnBackend(dataDir);
    const user = await login(backend, alice, 'user');
    const clients = await Promise.all(
      devices.map(async (device) => connect(backend, await addDevice(backend, user, device))),
    );
    let isAlive = true;
    const exited = once(child, 'exit').then(() => (isAlive = false));
    clients.forEach((client, i) => {
      const topic = TOPICS.samples(ALICE, devices[i], 0);
      // Many in flight at once, so that the kill falls into the middle of group commits.
      const publishMore = () => {
        if (!isAlive) return;
        const sequence = next[i]++;
        const payload = envelope(sequence);
        unanswered++;
        client.publish(topic, Buffer.from(payload), { qos: 1 }, (error) => {
          if (error) return;
          unanswered--;
          acknowledged[i].set(sequence, payload);
          publishMore();
        });
      };
      for (let inFlight = 0; inFlight < 50; inFlight++) publishMore();
    });
    await sleep(100 + Math.random() * 400);
    child.kill('SIGKILL');
    await exited;
    for (const client of clients) client.end(true);
  }

  const { child, ...backend } = await spawnBackend(dataDir);
  const user = await login(backend, alice, 'user');
  let total = 0;
  for (const [i, device] of devices.entries()) {
    const stored = new Map<number, Uint8Array>();
    for (let from = 0; ;) {
      const route = `GET /v1/samples?device=${device}&from=${from}`;
      const { samples } = decodeCanonical(
        (await call(backend, user, route)).bytes,
        samplePage,
        'page',
      );
      for (const sample of samples)
        stored.set(decodeSample(sample.envelope).sequence, sample.envelope);
      if (samples.length < SAMPLES_PAGE_MAX) break;
      from = Math.max(...stored.keys()) + 1;
    }
    for (const [sequence, payload] of acknowledged[i]) {
      expect(Buffer.from(stored.get(sequence) ?? []).equals(payload)).toBe(true);
    }
    total += acknowledged[i].size;
  }
  // The test means something only when much was acknowledged and much was cut off.
  expect(total).toBeGreaterThan(500);
  expect(unanswered).toBeGreaterThan(CYCLES);
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  expect((await exited)[0]).toBe(0);
}, 120_000);
