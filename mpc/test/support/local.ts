import { expect } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import type { Channel, Direction, Meter, PartyIndex } from '../../src/engine/channel.ts';
import { Session, type Shares } from '../../src/engine/session.ts';

/** Three parties in one process, connected by queues. */
export function localChannels(): [Channel, Channel, Channel] {
  const queues = new Map<string, Uint8Array[]>();
  const waiting = new Map<string, (message: Uint8Array) => void>();
  const channel = (index: PartyIndex): Channel => {
    const meter: Meter = { rounds: 0, bytesSent: 0 };
    return {
      index,
      meter,
      rotate(direction: Direction, message: Uint8Array, length: number): Promise<Uint8Array> {
        const step = direction === 'next' ? 1 : 2;
        const to = `${index}>${(index + step) % 3}`;
        const from = `${(index + 3 - step) % 3}>${index}`;
        const copy = Uint8Array.from(message);
        meter.rounds++;
        meter.bytesSent += message.length;
        const wake = waiting.get(to);
        if (wake) {
          waiting.delete(to);
          wake(copy);
        } else {
          queues.set(to, [...(queues.get(to) ?? []), copy]);
        }
        const check = (received: Uint8Array) => {
          if (received.length !== length) {
            throw new Error(`expected ${length} bytes, got ${received.length}`);
          }
          return received;
        };
        const queue = queues.get(from);
        if (queue?.length) return Promise.resolve(check(queue.shift()!));
        return new Promise<Uint8Array>((resolve) => waiting.set(from, resolve)).then(check);
      },
    };
  };
  return [channel(0), channel(1), channel(2)];
}

/** Runs the same code as three parties and returns their three answers. */
export async function threeParties<T>(
  party: (session: Session) => Promise<T>,
): Promise<{ results: [T, T, T]; meters: [Meter, Meter, Meter] }> {
  const channels = localChannels();
  const sessions = await Promise.all(channels.map((channel) => Session.open(channel)));
  for (const { meter } of channels) Object.assign(meter, { rounds: 0, bytesSent: 0 });
  const results = (await Promise.all(sessions.map(party))) as [T, T, T];
  const meters = channels.map(({ meter }) => meter) as [Meter, Meter, Meter];
  return { results, meters };
}

/** Three XOR shares of bytes. */
export function shareBytes(secret: Uint8Array): Uint8Array[] {
  const shares = [randomBytes(secret.length), randomBytes(secret.length)];
  return [...shares, secret.map((byte, i) => byte ^ shares[0][i] ^ shares[1][i])];
}

/** Three additive shares of 32-bit words, as bytes. */
export function shareWords(secret: ArrayLike<number>): Uint8Array[] {
  const random = () => new Uint32Array(new Uint8Array(randomBytes(secret.length * 4)).buffer);
  const shares = [random(), random()];
  const last = Uint32Array.from(secret, (word, i) => word - shares[0][i] - shares[1][i]);
  return [...shares, last].map((words) => new Uint8Array(words.buffer));
}

/** Puts a party's two of three shares into its memory. */
export function load(session: Session, shares: Uint8Array[]): Shares {
  const { memory, index } = session;
  const put = (bytes: Uint8Array) => {
    const pointer = memory.allocateZeros(bytes.length + 64);
    memory.bytes(pointer, bytes.length).set(bytes);
    return pointer;
  };
  return { a: put(shares[index]), b: put(shares[(index + 1) % 3]) };
}

/** Copies a party's shares out of its memory. */
export function unload(session: Session, shares: Shares, length: number): Uint8Array[] {
  const { memory } = session;
  return [memory.bytes(shares.a, length).slice(), memory.bytes(shares.b, length).slice()];
}

/** Checks that each share's two holders agree (on the low bits, for words) and joins the XOR shares. */
export function joinBytes(parties: Uint8Array[][]): Uint8Array {
  parties.forEach(([, second], i) => expect(second).toEqual(parties[(i + 1) % 3][0]));
  return parties[0][0].map((byte, i) => byte ^ parties[1][0][i] ^ parties[2][0][i]);
}

/** The same for ring elements of 24 bits; returns signed values. */
export function joinWords(parties: Uint8Array[][]): number[] {
  const words = parties.map((pair) => pair.map((bytes) => new Uint32Array(bytes.buffer)));
  words.forEach(([, second], i) => {
    const first = words[(i + 1) % 3][0];
    expect(Array.from(second, (word) => word & 0xffffff)).toEqual(
      Array.from(first, (word) => word & 0xffffff),
    );
  });
  return Array.from(words[0][0], (word, i) => ((word + words[1][0][i] + words[2][0][i]) << 8) >> 8);
}
