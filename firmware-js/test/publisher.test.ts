import { inspect } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { BEAT_ENVELOPE_BYTES } from '@mozaik/protocol/envelope';
import type { ByteSocket } from '../src/mqtt.ts';
import {
  ACKNOWLEDGE_TIMEOUT_MS,
  IN_FLIGHT,
  MAX_BACKOFF_MS,
  MIN_BACKOFF_MS,
  Publisher,
} from '../src/publisher.ts';
import type { PublisherOptions } from '../src/publisher.ts';

interface Publication {
  sequence: number;
  packetId: number;
  dup: boolean;
}

const TOPIC = 'a/b';
const CONNACK = Uint8Array.from([0x20, 2, 0, 0]);

function envelope(sequence: number): Uint8Array {
  const bytes = new Uint8Array(BEAT_ENVELOPE_BYTES).fill(sequence & 0xff);
  new DataView(bytes.buffer).setUint32(16, sequence);
  return bytes;
}

/** The broker's end of one connection, in memory. */
class Connection implements ByteSocket {
  onData: (bytes: Uint8Array) => void = () => {};
  onClose: () => void = () => {};
  readonly publications: Publication[] = [];
  open = true;

  private readonly received: (publication: Publication, connection: Connection) => void;

  constructor(received: (publication: Publication, connection: Connection) => void) {
    this.received = received;
  }

  write(bytes: Uint8Array): void {
    if (bytes[0] >> 4 === 3) {
      const body = Buffer.from(bytes).subarray(bytes[1] > 0x7f ? 3 : 2);
      expect(body.subarray(2, 2 + TOPIC.length).toString()).toBe(TOPIC);
      const publication = {
        packetId: body.readUInt16BE(2 + TOPIC.length),
        sequence: body.readUInt32BE(2 + TOPIC.length + 2 + 16),
        dup: (bytes[0] & 8) !== 0,
      };
      expect((bytes[0] >> 1) & 3).toBe(1);
      this.publications.push(publication);
      this.received(publication, this);
    }
  }

  close(): void {
    this.open = false;
  }

  accept(): void {
    this.onData(CONNACK);
  }

  acknowledge({ packetId }: Publication): void {
    this.onData(Uint8Array.from([0x40, 2, packetId >> 8, packetId]));
  }

  cut(): void {
    this.open = false;
    this.onClose();
  }
}

function start(
  options: Partial<PublisherOptions>,
  received: (publication: Publication, connection: Connection) => void = () => {},
) {
  const connections: Connection[] = [];
  const acknowledged: number[] = [];
  const rejected: number[] = [];
  const publisher = new Publisher({
    connect: () => {
      const connection = new Connection(received);
      connections.push(connection);
      return connection;
    },
    clientId: 'board',
    topic: TOPIC,
    random: (bytes) => bytes.fill(0x80),
    onAcknowledged: (sequence) => acknowledged.push(sequence),
    onRejected: (sequence, bytes) => {
      expect(bytes).toEqual(envelope(sequence));
      rejected.push(sequence);
    },
    ...options,
  });
  let now = 0;
  publisher.tick(now);
  const pass = (ms: number) => {
    now += ms;
    publisher.tick(now);
  };
  const last = () => connections[connections.length - 1];
  return { publisher, connections, acknowledged, rejected, pass, last };
}

const sequences = (connection: Connection) => connection.publications.map((p) => p.sequence);
const count = (n: number) => Array.from({ length: n }, (_, i) => i);

describe('the publisher', () => {
  test('sends in order, at most so many at a time', () => {
    const { publisher, acknowledged, last } = start({});
    count(20).forEach((i) => publisher.offer(envelope(i)));
    expect(last().publications).toEqual([]);
    last().accept();
    expect(sequences(last())).toEqual(count(IN_FLIGHT));
    last().acknowledge(last().publications[3]);
    expect(sequences(last())).toEqual(count(IN_FLIGHT + 1));
    for (let i = 0; i < last().publications.length; i++) {
      last().acknowledge(last().publications[i]);
    }
    expect(sequences(last())).toEqual(count(20));
    expect(acknowledged).toEqual([3, 0, 1, 2, ...count(20).slice(4)]);
    expect(publisher.pending()).toBe(0);
    expect(last().publications.every(({ dup }) => !dup)).toBe(true);
  });

  test('sends again after a reconnect: oldest first, marked, one until it is acknowledged', () => {
    const { publisher, connections, pass, last } = start({});
    count(5).forEach((i) => publisher.offer(envelope(i)));
    last().accept();
    const [first] = connections;
    first.acknowledge(first.publications[1]);
    first.cut();
    pass(MAX_BACKOFF_MS);
    expect(connections).toHaveLength(2);
    publisher.offer(envelope(5));
    last().accept();
    expect(sequences(last())).toEqual([0]);
    expect(last().publications[0]).toEqual({ ...first.publications[0], dup: true });
    last().acknowledge(last().publications[0]);
    expect(sequences(last())).toEqual([0, 2, 3, 4, 5]);
    expect(last().publications.map(({ dup }) => dup)).toEqual([true, true, true, true, false]);
  });

  test('refuses new samples when full, keeps the old ones and counts', () => {
    const { publisher, acknowledged, last } = start({ capacity: 3 });
    expect(count(5).map((i) => publisher.offer(envelope(i)))).toEqual([
      true,
      true,
      true,
      false,
      false,
    ]);
    expect(publisher.refused).toBe(2);
    last().accept();
    last().publications.forEach((publication) => {
      last().acknowledge(publication);
    });
    expect(acknowledged).toEqual([0, 1, 2]);
    expect(publisher.offer(envelope(5))).toBe(true);
  });

  test('backs off exponentially, with jitter, and starts anew after a success', () => {
    const { publisher, connections, pass, last } = start({});
    publisher.offer(envelope(0));
    const pauses: number[] = [];
    const waitForConnection = () => {
      const before = connections.length;
      let ms = 0;
      while (connections.length === before) {
        pass(50);
        ms += 50;
      }
      pauses.push(ms);
    };
    for (let i = 0; i < 9; i++) {
      last().cut();
      waitForConnection();
    }
    // The random bytes 0x8080 give 0.751 of the ceiling.
    expect(pauses).toEqual(
      [1, 2, 4, 8, 16, 32, 60, 60, 60].map((s) => Math.ceil((s * 1000 * 0.751) / 50) * 50),
    );
    last().accept();
    last().acknowledge(last().publications[0]);
    last().cut();
    waitForConnection();
    expect(pauses[9]).toBeLessThanOrEqual(MIN_BACKOFF_MS);
  });

  test('a clock that steps back delays nothing', () => {
    const { publisher, connections, last } = start({});
    publisher.tick(1e12);
    last().cut();
    publisher.tick(5);
    publisher.tick(5 + MIN_BACKOFF_MS);
    expect(connections).toHaveLength(2);
  });

  test('gives up a broker that does not acknowledge, without blaming the sample', () => {
    const { publisher, connections, rejected, pass, last } = start({});
    publisher.offer(envelope(0));
    publisher.offer(envelope(1));
    for (let i = 0; i < 10; i++) {
      last().accept();
      expect(sequences(last())).toEqual(i === 0 ? [0, 1] : [0]);
      pass(ACKNOWLEDGE_TIMEOUT_MS);
      expect(last().open).toBe(false);
      pass(MAX_BACKOFF_MS);
    }
    expect(connections).toHaveLength(11);
    expect(rejected).toEqual([]);
    expect(publisher.pending()).toBe(2);
  });

  test('survives a connect that throws', () => {
    const reasons: string[] = [];
    let attempts = 0;
    const { pass } = start({
      connect: () => {
        attempts++;
        throw new Error('no network');
      },
      onDisconnected: (reason) => reasons.push(reason),
    });
    pass(MAX_BACKOFF_MS);
    expect(attempts).toBe(2);
    expect(reasons).toEqual(Array(2).fill('no connection could be opened'));
  });

  test.each([0, 4, 9])(
    'sets aside only the sample that the broker refuses, number %d',
    (poison) => {
      const { publisher, acknowledged, rejected, pass, last } = start({}, (publication, broker) => {
        if (publication.sequence === poison) {
          broker.cut();
        } else if (broker.open) {
          broker.acknowledge(publication);
        }
      });
      count(10).forEach((i) => publisher.offer(envelope(i)));
      for (let i = 0; i < 40; i++) {
        if (i === 20) {
          // The last of all is only known to be refused once another one is accepted.
          publisher.offer(envelope(10));
        }
        if (last().open) {
          last().accept();
        }
        pass(MAX_BACKOFF_MS);
      }
      expect(rejected).toEqual([poison]);
      expect(acknowledged.sort((a, b) => a - b)).toEqual(count(11).filter((i) => i !== poison));
      expect(publisher.pending()).toBe(0);
    },
  );

  test('rejects nothing while the broker accepts nothing', () => {
    let outage = true;
    const { publisher, acknowledged, rejected, pass, last } = start(
      { capacity: 4 },
      (publication, broker) => {
        if (outage) {
          broker.cut();
        } else {
          broker.acknowledge(publication);
        }
      },
    );
    count(4).forEach((i) => publisher.offer(envelope(i)));
    for (let i = 0; i < 100; i++) {
      outage = i < 90;
      if (last().open) {
        last().accept();
      }
      pass(MAX_BACKOFF_MS);
    }
    expect(rejected).toEqual([]);
    expect(acknowledged.sort()).toEqual(count(4));
  });

  test('gives every sample exactly one fate, whatever the network does', () => {
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.constant('offer' as const) },
      { weight: 3, arbitrary: fc.constant('accept' as const) },
      { weight: 6, arbitrary: fc.constant('acknowledge' as const) },
      { weight: 1, arbitrary: fc.constant('cut' as const) },
      { weight: 3, arbitrary: fc.constant('wait' as const) },
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(step, fc.nat(20)), { maxLength: 150 }), (steps) => {
        const { publisher, acknowledged, rejected, pass, last, connections } = start({
          capacity: 6,
        });
        const accepted = new Set<Connection>();
        const answered = new Set<Publication>();
        const taken: number[] = [];
        const answer = (i: number) => {
          const open = last().publications.filter((publication) => !answered.has(publication));
          if (last().open && open.length > 0) {
            answered.add(open[i % open.length]);
            last().acknowledge(open[i % open.length]);
          }
        };
        const accept = () => {
          if (last().open && !accepted.has(last())) {
            accepted.add(last());
            last().accept();
          }
        };
        steps.forEach(([what, n], sequence) => {
          if (what === 'offer') {
            if (publisher.offer(envelope(sequence))) {
              taken.push(sequence);
            }
          } else if (what === 'accept') {
            accept();
          } else if (what === 'acknowledge') {
            answer(n);
          } else if (what === 'cut') {
            last().cut();
          } else {
            pass(n * 1000);
          }
          expect(publisher.pending()).toBe(taken.length - acknowledged.length - rejected.length);
        });
        for (let i = 0; i < 20 && publisher.pending() > 0; i++) {
          pass(1);
          accept();
          answer(0);
          if (!last().open) {
            pass(MAX_BACKOFF_MS);
          }
        }
        expect([...acknowledged, ...rejected].sort((a, b) => a - b)).toEqual(taken);
        for (const connection of connections) {
          const sent = sequences(connection);
          expect(new Set(sent).size).toBe(sent.length);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('its snapshot carries what is pending over a restart', () => {
    const before = start({});
    count(4).forEach((i) => before.publisher.offer(envelope(i)));
    before.last().accept();
    before.last().acknowledge(before.last().publications[1]);
    const snapshot = before.publisher.snapshot();
    before.publisher.stop();
    expect(before.last().open).toBe(false);
    expect(before.publisher.offer(envelope(9))).toBe(false);

    const after = start({ capacity: 3 });
    expect(() => {
      after.publisher.restore(snapshot.subarray(1));
    }).toThrow('not whole');
    after.publisher.restore(snapshot);
    expect(() => {
      after.publisher.restore(snapshot);
    }).toThrow('does not fit');
    after.last().accept();
    expect(sequences(after.last())).toEqual([0, 2, 3]);
    expect(after.last().publications.every(({ dup }) => dup)).toBe(true);
  });

  test('ignores acknowledgements of what was not sent', () => {
    const { publisher, acknowledged, last } = start({});
    last().accept();
    publisher.offer(envelope(0));
    [0, 2, 33, 65535].forEach((packetId) => {
      last().acknowledge({ packetId, sequence: 0, dup: false });
    });
    expect(acknowledged).toEqual([]);
    expect(publisher.pending()).toBe(1);
  });

  test('a late second acknowledgement does not vouch for a later sample', () => {
    const { publisher, acknowledged, last } = start({ capacity: 1 });
    last().accept();
    publisher.offer(envelope(1));
    const [first] = last().publications;
    last().acknowledge(first);
    publisher.offer(envelope(2));
    last().acknowledge(first);
    expect(acknowledged).toEqual([1]);
    expect(publisher.pending()).toBe(1);
    last().acknowledge(last().publications[1]);
    expect(acknowledged).toEqual([1, 2]);
  });

  test('several suspects in a row do not add up their pauses', () => {
    const { publisher, pass, last, connections } = start({ capacity: 8 });
    for (let n = 0; n < 4; n++) publisher.offer(envelope(n));
    let longest = 0;
    for (let cut = 0; cut < 15; cut++) {
      const opened = connections.length;
      last().accept();
      last().cut();
      let waited = 0;
      while (connections.length === opened) {
        pass(100);
        waited += 100;
      }
      longest = Math.max(longest, waited);
    }
    expect(longest).toBeLessThan(MIN_BACKOFF_MS * 2 ** 5);
  });

  test('shows neither password nor options', () => {
    const { publisher } = start({ username: 'me', password: 'sesame' });
    expect(inspect(publisher, { depth: 9 }) + JSON.stringify(publisher)).not.toContain('sesame');
  });

  test.each([
    { capacity: 0 },
    { capacity: 65536 },
    { inFlight: 0 },
    { clientId: '' },
    { password: 'x' },
    { keepAliveSeconds: 0 },
  ])('throws on %j', (options) => {
    expect(() => start(options)).toThrow(/out of (its )?range/);
  });

  test('throws on an envelope of another length', () => {
    const { publisher } = start({});
    expect(() => publisher.offer(new Uint8Array(BEAT_ENVELOPE_BYTES - 1))).toThrow('wrong length');
  });
});
