/** The gateway's parts by themselves. */
import { appendFileSync, chmodSync, readFileSync, statSync, truncateSync } from 'node:fs';
import path from 'node:path';
import { crc32 } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { fragment, fragmentCount, FRAME_HELLO, FRAME_SAMPLE } from '@mozaik/firmware';
import { BEAT_ENVELOPE_BYTES, ENVELOPE_MAX_BYTES } from '@mozaik/protocol';
import { loadCredential, saveCredential } from '../../src/gateway/credentials.ts';
import { encodePacket, PacketDecoder } from '../../src/gateway/framing.ts';
import { PACKET_MAX_BYTES } from '../../src/gateway/link.ts';
import { Reassembler } from '../../src/gateway/reassembly.ts';
import { SampleQueue, type Waiting } from '../../src/gateway/sample-queue.ts';
import { temporaryFolder } from '../cli/support.ts';

const packet = fc.uint8Array({ minLength: 1, maxLength: PACKET_MAX_BYTES });

describe('packets over a byte stream', () => {
  test('arrive whole, however the stream is cut', () => {
    fc.assert(
      fc.property(fc.array(packet), fc.integer({ min: 1, max: 50 }), (packets, piece) => {
        const stream = Buffer.concat(packets.map(encodePacket));
        const decoder = new PacketDecoder();
        const found = [];
        for (let at = 0; at < stream.length; at += piece) {
          found.push(...decoder.push(stream.subarray(at, at + piece)));
        }
        expect(found).toEqual(packets);
      }),
    );
  });

  test('are found again after any noise, and noise is no packet of another length', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), packet, (noise, sent) => {
        const decoder = new PacketDecoder();
        const found = decoder.push(Buffer.concat([noise, Uint8Array.of(0), encodePacket(sent)]));
        expect(found.at(-1)).toEqual(sent);
        for (const { length } of found) expect(length).toBeLessThanOrEqual(PACKET_MAX_BYTES);
      }),
    );
  });
});

function frame(kind: number, body: Uint8Array): Uint8Array {
  const bytes = Buffer.concat([Uint8Array.of(kind), body, Buffer.alloc(4)]);
  bytes.writeUInt32BE(crc32(bytes.subarray(0, -4)), bytes.length - 4);
  return Uint8Array.from(bytes);
}
const packetsOf = (bytes: Uint8Array): Uint8Array[] =>
  Array.from({ length: fragmentCount(bytes.length) }, (_, n) => fragment(bytes, n));

describe('frames of packets', () => {
  const body = fc.uint8Array({ minLength: 1, maxLength: ENVELOPE_MAX_BYTES });

  test('arrive whole', () => {
    fc.assert(
      fc.property(body, (envelope) => {
        const reassembler = new Reassembler();
        const found = packetsOf(frame(FRAME_SAMPLE, envelope)).map((p) => reassembler.push(p));
        expect(found.at(-1)).toEqual({ kind: FRAME_SAMPLE, envelope });
        expect(found.slice(0, -1).every((none) => none === undefined)).toBe(true);
        expect(reassembler.dropped).toBe(0);
      }),
    );
  });

  test('are dropped whole when a packet is missing, changed, repeated or too long', () => {
    const change = fc.constantFrom('missing', 'changed', 'repeated', 'longer', 'shorter');
    fc.assert(
      fc.property(body, fc.nat(), fc.nat(), change, (envelope, which, bit, how) => {
        const packets = packetsOf(frame(FRAME_SAMPLE, envelope));
        const n = which % packets.length;
        const damaged = packets[n].slice();
        damaged[Math.floor(bit / 8) % damaged.length] ^= 1 << (bit & 7);
        const instead = {
          missing: [],
          changed: [damaged],
          repeated: [packets[n], packets[n]],
          longer: [Uint8Array.from([...packets[n], ...new Uint8Array(20)])],
          shorter: [packets[n].subarray(0, -1)],
        }[how];
        packets.splice(n, 1, ...instead);
        const reassembler = new Reassembler();
        for (const each of packets) {
          const found = reassembler.push(each);
          // The first packet twice is a frame that began anew; the last one twice comes too late.
          if (found !== undefined) {
            expect(how).toBe('repeated');
            expect(found).toEqual({ kind: FRAME_SAMPLE, envelope });
          }
        }
        // And the next one is right again.
        const device = new Uint8Array(16).fill(7);
        const next = packetsOf(frame(FRAME_HELLO, device)).map((p) => reassembler.push(p));
        expect(next.at(-1)).toEqual({ kind: FRAME_HELLO, device });
      }),
    );
  });

  test.each([
    ['another kind', frame(9, new Uint8Array(16))],
    ['a short device id', frame(FRAME_HELLO, new Uint8Array(15))],
    ['more than an envelope', frame(FRAME_SAMPLE, new Uint8Array(ENVELOPE_MAX_BYTES + 1))],
    ['nothing', new Uint8Array(4)],
  ])('are dropped when they are %s', (_what, bytes) => {
    const reassembler = new Reassembler();
    for (const each of packetsOf(bytes)) expect(reassembler.push(each)).toBeUndefined();
    expect(reassembler.dropped).toBe(1);
  });
});

describe('the queue on the disk', () => {
  const sample = (n: number): Waiting => ({
    device: new Uint8Array(16).fill(n),
    envelope: new Uint8Array(BEAT_ENVELOPE_BYTES).fill(n),
  });
  const file = (folder: string) => path.join(folder, 'waiting');
  /** What the next gateway finds. */
  const found = async (folder: string): Promise<Waiting[]> => {
    const queue = await SampleQueue.open(folder);
    await queue.close();
    return queue.samples();
  };

  test('has what was added when it is opened again, in its order, for its owner only', async () => {
    const folder = temporaryFolder();
    const queue = await SampleQueue.open(folder);
    await Promise.all([1, 2, 3].map((n) => queue.add(sample(n))));
    // Not closed: it was killed.
    expect(statSync(file(folder)).mode & 0o777).toBe(0o600);
    expect(await found(folder)).toEqual([1, 2, 3].map(sample));
    await queue.close();
  });

  test('leaves out half a record and goes on after it', async () => {
    const folder = temporaryFolder();
    const queue = await SampleQueue.open(folder);
    for (const n of [1, 2]) await queue.add(sample(n));
    await queue.close();
    truncateSync(file(folder), 253 + 100);
    const second = await SampleQueue.open(folder);
    await second.add(sample(3));
    await second.close();
    expect(await found(folder)).toEqual([1, 3].map(sample));
  });

  test('leaves out a damaged record, and what a crash left at the end', async () => {
    const folder = temporaryFolder();
    const queue = await SampleQueue.open(folder);
    for (const n of [1, 2, 3]) await queue.add(sample(n));
    await queue.close();
    const bytes = readFileSync(file(folder));
    bytes[253 + 50] ^= 1;
    truncateSync(file(folder), 0);
    appendFileSync(file(folder), bytes);
    appendFileSync(file(folder), new Uint8Array(300));
    expect(await found(folder)).toEqual([1, 3].map(sample));
  });

  test('keeps its file small, and loses nothing while it does', async () => {
    const folder = temporaryFolder();
    const queue = await SampleQueue.open(folder);
    const kept = sample(255);
    await queue.add(kept);
    for (let round = 0; round < 40; round++) {
      const samples = Array.from({ length: 16 }, (_, n) => sample(n));
      await Promise.all(samples.map((each) => queue.add(each)));
      for (const each of samples) queue.remove(each);
    }
    await queue.close();
    expect(statSync(file(folder)).size).toBeLessThan(300 * 253);
    const again = await SampleQueue.open(folder);
    expect(again.samples()).toContainEqual(kept);
    for (const each of again.samples()) again.remove(each);
    await again.close();
    expect(statSync(file(folder)).size).toBe(0);
  });

  test('is not opened when others may read it', async () => {
    const folder = temporaryFolder();
    await (await SampleQueue.open(folder)).close();
    chmodSync(file(folder), 0o644);
    await expect(SampleQueue.open(folder)).rejects.toMatchObject({ code: 'INPUT_FILE' });
  });
});

describe('the credential of a board', () => {
  const credential = {
    user: new Uint8Array(32).fill(1),
    device: new Uint8Array(16).fill(2),
    name: 'puck',
    password: 'sesame',
  };

  test('is read again, and nobody else may', async () => {
    const folder = temporaryFolder();
    const file = await saveCredential(folder, credential);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(await loadCredential(folder, credential.device)).toEqual(credential);
    expect(await loadCredential(folder, new Uint8Array(16))).toBeUndefined();
    chmodSync(file, 0o640);
    await expect(loadCredential(folder, credential.device)).rejects.toMatchObject({
      code: 'INPUT_FILE',
    });
  });

  test('is not quoted when it is damaged', async () => {
    const folder = temporaryFolder();
    const file = await saveCredential(folder, credential);
    appendFileSync(file, 'x');
    const refused = loadCredential(folder, credential.device);
    await expect(refused).rejects.toMatchObject({ code: 'STATE_CORRUPT' });
    await expect(refused).rejects.not.toThrow('sesame');
  });
});
