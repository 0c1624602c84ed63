import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { MqttClient, type ByteSocket } from '@mozaik/firmware';
import { seededRandom } from '../../src/ecg/random.ts';
import type { Faults } from '../../src/simulate/faults.ts';
import { FaultyLink } from '../../src/simulate/link.ts';
import {
  isPublish,
  isRepetition,
  PacketSplitter,
  publishParts,
} from '../../src/simulate/packets.ts';

const SAMPLES = 200;
/** Longer than any stall or hold of the link, ms. */
const SETTLED_MS = 700;

/** A board's client on a faulty link to a broker that notes what arrives. */
function connected(faults: Faults) {
  const arrived: Uint8Array[] = [];
  const corrupted: { envelope: Uint8Array; arrived: Uint8Array | undefined }[] = [];
  const splitter = new PacketSplitter();
  const socket: ByteSocket & { closed: boolean } = {
    write: (bytes) => arrived.push(...splitter.push(bytes).filter(isPublish)),
    close: () => {
      socket.closed = true;
    },
    onData: () => undefined,
    onClose: () => undefined,
    closed: false,
  };
  const link = new FaultyLink({
    open: () => socket,
    faults,
    random: seededRandom(1),
    onCorrupted: (envelope, arrived) => corrupted.push({ envelope, arrived }),
  });
  const losses: string[] = [];
  const client = new MqttClient(link.connect(), {
    identity: { clientId: 'board', keepAliveSeconds: 60 },
    onConnected: () => undefined,
    onPublished: () => undefined,
    onClosed: (reason) => losses.push(reason),
  });
  client.start(0);
  socket.onData(Uint8Array.of(0x20, 2, 0, 0));
  const topic = new TextEncoder().encode('topic');
  const publish = (id: number) => client.publish(topic, new Uint8Array(60).fill(id), id, false);
  return { link, client, socket, publish, arrived, corrupted, losses };
}

const idsOf = (packets: Uint8Array[]): number[] => packets.map((packet) => publishParts(packet).id);
const ids = Array.from({ length: SAMPLES }, (_, i) => i + 1);
const ascending = (numbers: number[]): number[] => [...numbers].sort((x, y) => x - y);

describe('the link', () => {
  test('without faults passes everything on', () => {
    const { link, arrived, publish, corrupted } = connected({});
    ids.forEach(publish);
    expect(idsOf(arrived)).toEqual(ids);
    expect(corrupted).toEqual([]);
    expect(link.counts).toMatchObject({ connections: 1, sent: SAMPLES, resent: 0, drops: 0 });
  });

  test('stalls, and keeps the order', async () => {
    const { link, arrived, publish } = connected({ delay: 0.1 });
    ids.forEach(publish);
    expect(arrived.length).toBeLessThan(SAMPLES);
    await sleep(SETTLED_MS);
    expect(idsOf(arrived)).toEqual(ids);
    expect(link.counts.delays).toBeGreaterThan(0);
  });

  test('repeats whole packets, marked as repetitions', () => {
    const { link, arrived, publish } = connected({ duplicate: 0.5 });
    ids.forEach(publish);
    expect([...new Set(idsOf(arrived))]).toEqual(ids);
    expect(arrived.length).toBe(SAMPLES + link.counts.duplicates);
    expect(arrived.filter(isRepetition).length).toBe(link.counts.duplicates);
    expect(link.counts.duplicates).toBeGreaterThan(SAMPLES / 3);
  });

  test('reorders whole packets and loses none', async () => {
    const { link, arrived, publish } = connected({ reorder: 0.3 });
    ids.forEach(publish);
    await sleep(SETTLED_MS);
    const order = idsOf(arrived);
    expect(order).not.toEqual(ids);
    expect(ascending(order)).toEqual(ids);
    expect(Math.max(...order.map((id, i) => Math.abs(id - 1 - i)))).toBeLessThanOrEqual(3);
    expect(link.counts.reorders).toBeGreaterThan(SAMPLES / 10);
  });

  test('corrupts, and tells what arrived in whose place', () => {
    const { link, publish, arrived, corrupted } = connected({ corrupt: 0.2 });
    ids.forEach(publish);
    const { corruptions } = link.counts;
    expect(corruptions).toBeGreaterThan(SAMPLES / 10);
    const replaced = corrupted.filter(({ arrived }) => arrived !== undefined);
    expect(replaced.length).toBe(corruptions);
    const names = new Set(corrupted.map(({ envelope }) => envelope[0]));
    const isWhole = (packet: Uint8Array) => {
      const { id, payload } = publishParts(packet);
      return payload.length === 60 && payload.every((byte) => byte === id);
    };
    // Whatever arrives altered was announced.
    for (const [i, packet] of arrived.entries()) {
      if (i < 10 && !isWhole(packet)) expect(names).toContain(i + 1);
    }
  });

  test('distrusts the acknowledgement of a sample whose packet id went to another', () => {
    const { publish, corrupted } = connected({ corrupt: 1 });
    for (let round = 0; round < 10; round++) ids.forEach(publish);
    const forged = corrupted.filter(({ arrived }) => arrived === undefined);
    expect(forged.length).toBeGreaterThan(0);
  });

  test('breaks: the board is told, or silence follows, and no more arrives', async () => {
    let told = 0;
    for (let run = 0; run < 40; run++) {
      const { link, publish, arrived, losses, socket } = connected({ drop: 0 });
      const { random } = link.options;
      for (let skip = 0; skip < run; skip++) random.uniform();
      link.options.faults.drop = 1;
      publish(1);
      expect(link.counts.drops).toBe(1);
      await sleep(1);
      // What was put off before this runs before it.
      await nextTurn();
      expect(arrived.length).toBeLessThanOrEqual(1);
      expect(socket.closed).toBe(losses.length > 0);
      told += losses.length;
    }
    expect(told).toBeGreaterThan(20);
    expect(told).toBeLessThan(40);
  });

  test('is calm on request', () => {
    const { link, publish, arrived } = connected({ drop: 1, corrupt: 1, reorder: 1 });
    link.calm();
    ids.forEach(publish);
    expect(idsOf(arrived)).toEqual(ids);
  });
});
