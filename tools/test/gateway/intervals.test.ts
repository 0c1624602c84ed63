/** Beat-to-beat intervals from a device to its owner, through a real backend; no consent covers them. */
import { expect, test } from '@jest/globals';
import { readSamples, type OpenedSample } from '@mozaik/client';
import { createDevice } from '@mozaik/client';
import { IntervalRecorder, NonceLedger, Publisher, Sealer, sampleTopic } from '@mozaik/firmware';
import { openSocket, randomBytes } from '@mozaik/firmware/node';
import { KIND_INTERVALS } from '@mozaik/protocol';
import { setTimeout as sleep } from 'node:timers/promises';
import { memoryStorage } from '../../src/simulate/flash.ts';
import { brokerAddress, localMembers } from '../../src/simulate/members.ts';
import { AUDIENCE, withBackend } from '../simulate/support.ts';

test('intervals are published, acknowledged, fetched and opened by their owner', async () => {
  await withBackend(async ({ httpUrl, mqttUrl }) => {
    const [{ api }] = localMembers({ url: httpUrl, audience: AUDIENCE }, 1);
    const device = createDevice('band');
    const password = await api.registerDevice(device.id, device.name);
    const user = api.session.identity.id;
    const acknowledged: number[] = [];
    const publisher = new Publisher({
      connect: () => openSocket(brokerAddress(mqttUrl)),
      clientId: 'band',
      username: 'band',
      password,
      topic: sampleTopic(user, device.id, 3),
      random: randomBytes,
      onAcknowledged: (sequence) => acknowledged.push(sequence),
    });
    const sealer = new Sealer({
      masterKey: device.masterKey.expose(),
      userId: user,
      stream: 3,
      kind: KIND_INTERVALS,
      random: randomBytes,
      ledger: new NonceLedger(memoryStorage()),
      sink: publisher,
    });
    const recorder = new IntervalRecorder(sealer);
    const time = Date.now();
    for (const [n, interval] of [800, 812, 795].entries()) recorder.push(interval, time + n);
    recorder.flush();
    const deadline = performance.now() + 30_000;
    while (acknowledged.length === 0 && performance.now() < deadline) {
      publisher.tick(performance.now());
      await sleep(10);
    }
    publisher.stop();
    expect(acknowledged).toEqual([0]);
    const opened: OpenedSample[] = [];
    for await (const sample of readSamples(api, device, 3)) opened.push(sample);
    expect(opened).toHaveLength(1);
    const { plaintext } = opened[0] as Extract<OpenedSample, { plaintext: Uint8Array }>;
    const body = Buffer.from(plaintext);
    expect(body[0]).toBe(3);
    expect([1, 3, 5].map((at) => body.readUInt16BE(at))).toEqual([800, 812, 795]);
  });
}, 60_000);
