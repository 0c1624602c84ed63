import { inspect } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ascii } from '../src/bytes.ts';
import { CONNECT_TIMEOUT_MS, MqttClient } from '../src/mqtt.ts';
import type { ByteSocket, MqttIdentity } from '../src/mqtt.ts';

const CONNACK = [0x20, 2, 0, 0];
const PINGRESP = [0xd0, 0];
const puback = (id: number) => [0x40, 2, id >> 8, id & 0xff];

function start(identity: Partial<MqttIdentity>) {
  const events: string[] = [];
  const sent: number[][] = [];
  const socket: ByteSocket = {
    write: (bytes: Uint8Array) => {
      sent.push([...bytes]);
    },
    close: () => {
      events.push('socket closed');
    },
    onData: () => {},
    onClose: () => {},
  };
  const client = new MqttClient(socket, {
    identity: { clientId: 'board', keepAliveSeconds: 60, ...identity },
    onConnected: () => events.push('connected'),
    onPublished: (id) => events.push(`published ${id}`),
    onClosed: (reason, byPeer) => events.push(`${byPeer ? 'lost' : 'ended'}: ${reason}`),
  });
  client.start(0);
  const receive = (bytes: number[]) => {
    socket.onData(Uint8Array.from(bytes));
  };
  return { client, socket, events, sent, receive };
}

const string = (text: string) => [0, text.length, ...Buffer.from(text)];

describe('outbound packets', () => {
  test('CONNECT with and without credentials', () => {
    const rest = (flags: number) => [...string('MQTT'), 4, flags, 0, 60, ...string('board')];
    expect(start({}).sent).toEqual([[0x10, 17, ...rest(0x02)]]);
    expect(start({ username: 'me' }).sent).toEqual([[0x10, 21, ...rest(0x82), ...string('me')]]);
    expect(start({ username: 'me', password: 'pw!' }).sent).toEqual([
      [0x10, 26, ...rest(0xc2), ...string('me'), ...string('pw!')],
    ]);
  });

  test('PUBLISH with QoS 1, first and again, short and long', () => {
    const { client, sent, receive } = start({});
    receive(CONNACK);
    client.publish(ascii('a/b'), Uint8Array.from([1, 2]), 0x1234, false);
    client.publish(ascii('a/b'), Uint8Array.from([1, 2]), 0x1234, true);
    expect(sent.slice(1)).toEqual([
      [0x32, 9, ...string('a/b'), 0x12, 0x34, 1, 2],
      [0x3a, 9, ...string('a/b'), 0x12, 0x34, 1, 2],
    ]);
    client.publish(ascii('a'), new Uint8Array(123), 1, false);
    client.publish(ascii('a'), new Uint8Array(16379), 1, false);
    client.publish(ascii('a'), new Uint8Array(2097147), 1, false);
    expect(sent.slice(3).map((packet) => packet.slice(1, 7))).toEqual([
      [0x80, 0x01, 0, 1, 97, 0],
      [0x80, 0x80, 0x01, 0, 1, 97],
      [0x80, 0x80, 0x80, 0x01, 0, 1],
    ]);
    expect(sent.slice(3).map((packet) => packet.length)).toEqual([131, 16388, 2097157]);
  });

  test('nothing before the broker has accepted, and nothing after the end', () => {
    const { client, events, sent, receive } = start({});
    const publish = () => {
      client.publish(ascii('a'), new Uint8Array(1), 1, false);
    };
    expect(publish).toThrow('not connected');
    receive(CONNACK);
    client.close();
    client.close();
    expect(publish).toThrow('not connected');
    client.tick(1e9);
    expect(sent.slice(1)).toEqual([[0xe0, 0]]);
    expect(events).toEqual(['connected', 'socket closed']);
  });

  test.each<[string, Partial<MqttIdentity>]>([
    ['an empty client id', { clientId: '' }],
    ['a client id that is not ASCII', { clientId: 'é' }],
    ['a client id that is too long', { clientId: 'x'.repeat(65536) }],
    ['a password without a user name', { password: 'x' }],
    ['a keep-alive of zero', { keepAliveSeconds: 0 }],
    ['a keep-alive above u16', { keepAliveSeconds: 65536 }],
  ])('throws on %s', (_, options) => {
    expect(() => start(options)).toThrow();
  });

  test.each([0, 65536])('throws on packet id %d', (id) => {
    const { client, receive } = start({});
    receive(CONNACK);
    expect(() => {
      client.publish(ascii('a'), new Uint8Array(1), id, false);
    }).toThrow('out of range');
  });

  test('does not show the password', () => {
    const { client } = start({ username: 'me', password: 'sesame' });
    const shown = inspect(client, { depth: 5 }) + JSON.stringify(client);
    expect(shown).not.toMatch(/sesame|115,\s*101,\s*115|hello/);
  });
});

describe('inbound packets', () => {
  test('are understood however they are split', () => {
    const stream = [...CONNACK, ...puback(7), ...PINGRESP, ...puback(0x102)];
    const expected = ['connected', 'published 7', 'published 258'];
    for (let split = 0; split <= stream.length; split++) {
      for (let second = split; second <= stream.length; second++) {
        const { events, receive } = start({});
        receive(stream.slice(0, split));
        receive(stream.slice(split, second));
        receive(stream.slice(second));
        expect(events).toEqual(expected);
      }
    }
  });

  test.each([
    [1, 'unacceptable protocol version'],
    [2, 'client identifier rejected'],
    [3, 'server unavailable'],
    [4, 'bad user name or password'],
    [5, 'not authorised'],
  ])('refusal code %d is named', (code, reason) => {
    const { events, receive } = start({});
    receive([0x20, 2, 0, code]);
    expect(events).toEqual([
      'socket closed',
      `ended: the broker refused the connection: ${reason}`,
    ]);
  });

  test.each<[string, number[]]>([
    ['a PUBACK before CONNACK', puback(1)],
    ['a PINGRESP before CONNACK', PINGRESP],
    ['a session that should not exist', [0x20, 2, 1, 0]],
    ['an unknown return code', [0x20, 2, 0, 6]],
    ['a second CONNACK', [...CONNACK, ...CONNACK]],
    ['a PUBLISH', [...CONNACK, 0x30, 5, 0, 1, 97, 1, 1]],
    ['reserved flags', [...CONNACK, 0x41, 2, 0, 1]],
    ['a long PUBACK', [...CONNACK, 0x40, 3, 0, 1, 0]],
    ['a huge PUBACK', [...CONNACK, 0x40, 0xff, 0xff, 0xff, 0x7f]],
    ['a length that never ends', [...CONNACK, 0x40, 0x82, 0x80]],
    ['a long PINGRESP', [...CONNACK, 0xd0, 1, 0]],
  ])('%s ends the connection', (_, bytes) => {
    const { events, receive } = start({});
    receive(bytes);
    receive(puback(9));
    expect(events.slice(-2)).toEqual([
      'socket closed',
      expect.stringMatching(/^ended: the broker sent/),
    ]);
    expect(events.filter((event) => event.startsWith('published'))).toEqual([]);
  });

  test('random bytes never throw and end a connection at most once', () => {
    const chunk = fc.oneof(
      fc.uint8Array({ maxLength: 300 }).map((bytes) => [...bytes]),
      fc.constantFrom(CONNACK, PINGRESP, puback(1), [0x40], [2]),
    );
    fc.assert(
      fc.property(fc.array(chunk, { maxLength: 8 }), (chunks) => {
        const { events, receive, client, socket } = start({});
        chunks.forEach(receive);
        client.tick(1);
        socket.onClose();
        expect(events.filter((event) => /^(lost|ended)/.test(event))).toHaveLength(1);
      }),
      { numRuns: 500 },
    );
  });
});

describe('time', () => {
  test('a silent connection is pinged and, without an answer, ended', () => {
    const { client, events, sent, receive } = start({});
    receive(CONNACK);
    client.tick(29999);
    expect(sent).toHaveLength(1);
    client.tick(30000);
    expect(sent[1]).toEqual([0xc0, 0]);
    receive(PINGRESP);
    client.tick(50000);
    client.publish(ascii('a'), new Uint8Array(1), 1, false);
    client.tick(79999);
    expect(sent).toHaveLength(3);
    client.tick(80000);
    expect(sent[3]).toEqual([0xc0, 0]);
    client.tick(139999);
    expect(events).toEqual(['connected']);
    client.tick(140000);
    expect(events.slice(1)).toEqual(['socket closed', 'ended: the broker does not answer']);
  });

  test('a peer that never accepts is given up', () => {
    const { client, events } = start({});
    client.tick(CONNECT_TIMEOUT_MS - 1);
    expect(events).toEqual([]);
    client.tick(CONNECT_TIMEOUT_MS);
    expect(events).toEqual(['socket closed', 'ended: the broker does not answer']);
  });

  test('a lost connection is told once', () => {
    const { socket, events, receive } = start({});
    receive(CONNACK);
    socket.onClose();
    socket.onClose();
    receive(puback(1));
    expect(events).toEqual(['connected', 'lost: the connection was lost']);
  });

  test('a socket that does not take bytes counts as lost', () => {
    const { client, socket, events, receive } = start({});
    receive(CONNACK);
    socket.write = () => {
      throw new Error('gone');
    };
    client.publish(ascii('a'), new Uint8Array(1), 1, false);
    expect(events).toEqual(['connected', 'lost: the connection does not take bytes']);
  });
});
