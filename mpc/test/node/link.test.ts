import { EventEmitter } from 'node:events';
import type { TLSSocket } from 'node:tls';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Link } from '../../src/node/link.ts';
import { codeOf, timed } from './outcomes.ts';

/** A socket whose other end is the test. */
class FakeSocket extends EventEmitter {
  readonly written: Buffer[] = [];
  destroyed = false;

  setNoDelay(): void {}

  write(data: Buffer): void {
    this.written.push(data);
  }

  destroy(): void {
    this.destroyed = true;
  }
}

function link(timeoutMs = 1000): { socket: FakeSocket; link: Link } {
  const socket = new FakeSocket();
  return { socket, link: new Link(socket as unknown as TLSSocket, timeoutMs) };
}

const header = (length: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(length);
  return bytes;
};
const frame = (message: Uint8Array): Buffer => Buffer.concat([header(message.length), message]);
const message = (length: number, first = 0) =>
  Uint8Array.from({ length }, (_, i) => (first + 7 * i) & 255);

describe('framing', () => {
  const messages = [message(5, 1), message(0), message(300, 2), message(1, 3)];
  const stream = Buffer.concat(messages.map(frame));
  const receiveAll = async (receiver: Link) => {
    const received: Uint8Array[] = [];
    for (const { length } of messages) {
      received.push(Uint8Array.from(await receiver.receive(length)));
    }
    return received;
  };

  test('messages arrive whole, wherever the stream is split, asked for before or after', async () => {
    for (let at = 0; at <= stream.length; at++) {
      for (const askFirst of [true, false]) {
        const { socket, link: receiver } = link();
        const asked = askFirst ? receiveAll(receiver) : undefined;
        socket.emit('data', stream.subarray(0, at));
        socket.emit('data', stream.subarray(at));
        expect(await (asked ?? receiveAll(receiver))).toEqual(messages);
        expect(receiver.hasUnread).toBe(false);
        receiver.close();
      }
    }
  });

  test('byte by byte', async () => {
    const { socket, link: receiver } = link();
    const asked = receiveAll(receiver);
    for (const byte of stream) socket.emit('data', Buffer.of(byte));
    expect(await asked).toEqual(messages);
  });

  test('any messages in any pieces', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 60 }), { minLength: 1, maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 200 }),
        async (sent, pieces) => {
          const { socket, link: receiver } = link();
          const bytes = Buffer.concat(sent.map(frame));
          for (let at = 0, n = 0; at < bytes.length; n++) {
            const size = pieces[n % pieces.length];
            socket.emit('data', bytes.subarray(at, at + size));
            at += size;
          }
          for (const one of sent) {
            expect(Buffer.from(await receiver.receive(one.length)).equals(one)).toBe(true);
          }
          expect(receiver.hasUnread).toBe(false);
        },
      ),
      { numRuns: 200 },
    );
  });

  test('a message is copied before the call returns', () => {
    const { socket, link: sender } = link();
    const buffer = message(9);
    sender.send(buffer);
    const before = Buffer.concat(socket.written);
    buffer.fill(0);
    expect(before).toEqual(frame(message(9)));
    expect(Buffer.concat(socket.written)).toEqual(before);
  });
});

describe('a peer that misbehaves', () => {
  const cases: [string, Buffer][] = [
    ['one byte less', header(7)],
    ['one byte more', header(9)],
    ['nothing', header(0)],
    ['4 GiB', header(0xffffffff)],
  ];
  test.each(cases)('announcing %s is PEER_PROTOCOL at once', async (_, announced) => {
    const { socket, link: receiver } = link();
    const asked = receiver.receive(8);
    socket.emit('data', announced);
    expect(await codeOf(() => asked)).toBe('PEER_PROTOCOL');
    expect(socket.destroyed).toBe(true);
    expect(await codeOf(() => receiver.receive(8))).toBe('PEER_PROTOCOL');
  });

  test('a wrong length that came before it was asked for', async () => {
    const { socket, link: receiver } = link();
    socket.emit('data', frame(message(3)));
    expect(await codeOf(() => receiver.receive(4))).toBe('PEER_PROTOCOL');
  });

  test('a flood is cut off', async () => {
    const { socket, link: receiver } = link();
    const megabytes = Buffer.alloc(16 << 20);
    let taken = 0;
    while (!socket.destroyed && taken < 1024) {
      socket.emit('data', megabytes);
      taken += 16;
    }
    expect(taken).toBeLessThanOrEqual(256 + 16);
    expect(taken).toBeGreaterThanOrEqual(256);
    expect(await codeOf(() => receiver.receive(1))).toBe('PEER_PROTOCOL');
  });

  test('a trickle does not prolong the time limit', async () => {
    const { socket, link: receiver } = link(80);
    socket.emit('data', header(1000));
    const trickle = setInterval(() => socket.emit('data', Buffer.of(0)), 20);
    const took = await timed(async () => {
      expect(await codeOf(() => receiver.receive(1000))).toBe('PEER_LOST');
    });
    clearInterval(trickle);
    expect(took).toBeLessThan(1000);
    expect(socket.destroyed).toBe(true);
  });

  test('half a message is PEER_LOST after the time limit', async () => {
    const { socket, link: receiver } = link(60);
    socket.emit('data', frame(message(8)).subarray(0, 11));
    const took = await timed(async () => {
      expect(await codeOf(() => receiver.receive(8))).toBe('PEER_LOST');
    });
    expect(took).toBeGreaterThanOrEqual(55);
    expect(took).toBeLessThan(1000);
  });

  test('what was not asked for is seen', async () => {
    const { socket, link: receiver } = link();
    socket.emit('data', Buffer.concat([frame(message(2)), Buffer.of(0)]));
    await receiver.receive(2);
    expect(receiver.hasUnread).toBe(true);
  });
});

describe('a connection that rests', () => {
  test('is ended by more than may come unasked', async () => {
    const { socket, link: receiver } = link();
    socket.emit('data', frame(message(10)));
    receiver.limitUnread(20);
    socket.emit('data', Buffer.alloc(6));
    expect(socket.destroyed).toBe(false);
    socket.emit('data', Buffer.alloc(1));
    expect(socket.destroyed).toBe(true);
    expect((await receiver.ended).code).toBe('PEER_PROTOCOL');
  });

  test('is ended by what came before it rested', async () => {
    const { socket, link: receiver } = link();
    socket.emit('data', Buffer.alloc(21));
    receiver.limitUnread(20);
    expect((await receiver.ended).code).toBe('PEER_PROTOCOL');
  });

  test('takes as much as before when it is used again', async () => {
    const { socket, link: receiver } = link();
    receiver.limitUnread(20);
    receiver.limitUnread();
    socket.emit('data', frame(message(1000)));
    expect(Uint8Array.from(await receiver.receive(1000))).toEqual(message(1000));
    expect(socket.destroyed).toBe(false);
  });

  test.each(['error', 'close'])('says at once that it has ended: %s', async (event) => {
    const { socket, link: receiver } = link();
    socket.emit(event, new Error('reset'));
    expect((await receiver.ended).code).toBe('PEER_LOST');
  });
});

describe('the end of a connection', () => {
  test.each(['error', 'close'])('%s is PEER_LOST for who waits and who comes', async (event) => {
    const { socket, link: receiver } = link();
    const asked = receiver.receive(1);
    socket.emit(event, new Error('reset'));
    expect(await codeOf(() => asked)).toBe('PEER_LOST');
    expect(await codeOf(() => receiver.receive(1))).toBe('PEER_LOST');
    expect(() => receiver.send(message(1))).not.toThrow();
    expect(socket.written).toEqual([]);
  });

  test('what came before the end is still delivered', async () => {
    const { socket, link: receiver } = link();
    socket.emit('data', frame(message(3)));
    socket.emit('close');
    expect(Uint8Array.from(await receiver.receive(3))).toEqual(message(3));
    expect(await codeOf(() => receiver.receive(3))).toBe('PEER_LOST');
  });

  test('a connection that had ended before the link was made is PEER_LOST at once', async () => {
    const socket = new FakeSocket();
    socket.destroyed = true;
    const receiver = new Link(socket as unknown as TLSSocket, 5000);
    const took = await timed(async () => {
      expect(await codeOf(() => receiver.receive(1))).toBe('PEER_LOST');
    });
    expect(took).toBeLessThan(500);
  });

  test('close ends a wait', async () => {
    const { socket, link: receiver } = link();
    const asked = receiver.receive(1);
    receiver.close();
    expect(await codeOf(() => asked)).toBe('PEER_LOST');
    expect(socket.destroyed).toBe(true);
  });
});
