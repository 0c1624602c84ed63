import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Framing } from '../src/mqtt/framing.ts';
import { TokenBucket } from '../src/mqtt/token-bucket.ts';

const MAX = 300;

function packet(type: number, length: number): Buffer {
  const header = [type << 4];
  let rest = length;
  do {
    header.push((rest % 128) | (rest >= 128 ? 0x80 : 0));
    rest = Math.floor(rest / 128);
  } while (rest > 0);
  return Buffer.concat([Buffer.from(header), Buffer.alloc(length, 0xff)]);
}

/** Feeds `stream` in pieces; the offset of the piece at which it is refused, or -1. */
function refusedAt(stream: Buffer, cuts: number[], admitControl = () => true): number {
  const framing = new Framing({ maxBytes: MAX, admitControl });
  const points = [...new Set(cuts.map((cut) => cut % (stream.length + 1)))].sort((a, b) => a - b);
  let from = 0;
  for (const to of [...points, stream.length]) {
    if (!framing.accept(stream.subarray(from, to))) return from;
    from = to;
  }
  return -1;
}

const sizes = fc.array(fc.integer({ min: 0, max: MAX }), { maxLength: 8 });
const cuts = fc.array(fc.nat(), { maxLength: 20 });

describe('framing', () => {
  test('accepts packets within the limit however they are cut', () => {
    fc.assert(
      fc.property(sizes, cuts, (lengths, where) => {
        const stream = Buffer.concat(lengths.map((length) => packet(3, length)));
        expect(refusedAt(stream, where)).toBe(-1);
      }),
    );
  });

  test('refuses a longer one at its header, however it is cut', () => {
    fc.assert(
      fc.property(
        sizes,
        cuts,
        fc.integer({ min: MAX + 1, max: 2 ** 28 - 1 }),
        (good, where, bad) => {
          const header = packet(3, Math.min(bad, 5000)).subarray(0, 1);
          const length: number[] = [];
          for (let rest = bad; ; rest = Math.floor(rest / 128)) {
            length.push((rest % 128) | (rest >= 128 ? 0x80 : 0));
            if (rest < 128) break;
          }
          const before = Buffer.concat(good.map((size) => packet(3, size)));
          // Only the header arrives, nothing of the body.
          expect(refusedAt(Buffer.concat([before, header, Buffer.from(length)]), where)).not.toBe(
            -1,
          );
        },
      ),
    );
  });

  test('refuses a remaining length of five bytes', () => {
    expect(refusedAt(Buffer.from([0x30, 0x80, 0x80, 0x80, 0x80, 0x00]), [])).not.toBe(-1);
  });

  test('asks before each packet that is not PUBLISH', () => {
    let asked = 0;
    const stream = Buffer.concat([packet(1, 10), packet(3, 10), packet(12, 0), packet(8, 5)]);
    expect(refusedAt(stream, [3, 7], () => ++asked < 3)).not.toBe(-1);
    expect(asked).toBe(3);
  });
});

describe('token bucket', () => {
  test('gives the burst at once and the rate in the long run', () => {
    const bucket = new TokenBucket(10, 3, 0);
    expect([1, 2, 3].map(() => bucket.take(0))).toEqual([0, 0, 0]);
    expect(bucket.take(0)).toBeCloseTo(100);
    expect(bucket.take(0)).toBeCloseTo(200);
    expect(bucket.take(300)).toBe(0);
    expect(bucket.take(100_000)).toBe(0);
  });
});
