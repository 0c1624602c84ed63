import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { MqttClient, type ByteSocket } from '@mozaik/firmware';
import {
  isPublish,
  isRepetition,
  PacketSplitter,
  publishParts,
  repetition,
} from '../../src/simulate/packets.ts';

/** What the board's client writes for some payloads, packet by packet. */
function written(payloads: Uint8Array[]): Uint8Array[] {
  const packets: Uint8Array[] = [];
  const socket: ByteSocket = {
    write: (bytes) => packets.push(bytes.slice()),
    close: () => undefined,
    onData: () => undefined,
    onClose: () => undefined,
  };
  const client = new MqttClient(socket, {
    identity: { clientId: 'board', keepAliveSeconds: 60 },
    onConnected: () => undefined,
    onPublished: () => undefined,
    onClosed: () => undefined,
  });
  client.start(0);
  socket.onData(Uint8Array.of(0x20, 2, 0, 0));
  const topic = new TextEncoder().encode('some/topic');
  payloads.forEach((payload, i) => client.publish(topic, payload, i + 1, false));
  client.close();
  return packets;
}

const payloads = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 6 });

test('packets come out whole, however the stream is cut', () => {
  fc.assert(
    fc.property(payloads, fc.integer({ min: 1, max: 50 }), (payloads, size) => {
      const packets = written(payloads);
      const stream = Buffer.concat(packets);
      const splitter = new PacketSplitter();
      const cut: Uint8Array[] = [];
      for (let at = 0; at < stream.length; at += size) {
        cut.push(...splitter.push(stream.subarray(at, at + size)));
      }
      expect(cut.map((packet) => [...packet])).toEqual(packets.map((packet) => [...packet]));
    }),
    { numRuns: 50 },
  );
});

test('the parts of a sample are found, and only the mark changes in a repetition', () => {
  const samples = [Uint8Array.of(1, 2, 3), new Uint8Array(233).fill(7)];
  const packets = written(samples).filter(isPublish);
  expect(packets.map(publishParts)).toEqual([
    { id: 1, payload: samples[0] },
    { id: 2, payload: samples[1] },
  ]);
  for (const packet of packets) {
    const again = repetition(packet);
    expect([isRepetition(packet), isRepetition(again)]).toEqual([false, true]);
    expect(publishParts(again)).toEqual(publishParts(packet));
    expect(again.subarray(1)).toEqual(packet.subarray(1));
  }
});
