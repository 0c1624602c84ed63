import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { deviceId, epochKey, EPOCH_MS, epochOf } from '../src/keys.ts';
import { referenceEncrypt } from './ascon-reference.ts';

const id = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const identity = fc.record({
  master: id(16),
  user: id(32),
  device: id(16),
  stream: fc.integer({ min: 0, max: 0xffff }),
  epoch: fc.integer({ min: 0, max: 0xffffffff }),
});
type Identity = typeof identity extends fc.Arbitrary<infer T> ? T : never;

const keyOf = ({ master, user, device, stream, epoch }: Identity) =>
  Buffer.from(epochKey(master, user, device, stream, epoch)).toString('hex');

const empty = new Uint8Array(0);

describe('keys', () => {
  test('the device id is the tag of an empty message under its label', () => {
    fc.assert(
      fc.property(id(16), (master) => {
        const label = Uint8Array.from(Buffer.from('mozaik-device-id', 'ascii'));
        expect(deviceId(master)).toEqual(referenceEncrypt(master, label, empty, empty));
      }),
      { numRuns: 20 },
    );
  });

  test('the epoch key is the tag of an empty message under label, stream and epoch', () => {
    fc.assert(
      fc.property(identity, ({ master, user, device, stream, epoch }) => {
        const nonce = Buffer.alloc(16);
        nonce.write('mozaik-k', 'ascii');
        nonce.writeUInt32BE(stream, 8);
        nonce.writeUInt32BE(epoch, 12);
        const data = Uint8Array.from([...user, ...device]);
        expect(epochKey(master, user, device, stream, epoch)).toEqual(
          referenceEncrypt(master, Uint8Array.from(nonce), data, empty),
        );
      }),
      { numRuns: 20 },
    );
  });

  test('two epoch keys are equal only when everything that they stand for is', () => {
    fc.assert(
      fc.property(identity, identity, (one, other) => {
        const key = keyOf(one);
        for (const part of Object.keys(one) as (keyof Identity)[]) {
          const changed = { ...one, [part]: other[part] };
          expect(keyOf(changed) === key).toBe(JSON.stringify(changed) === JSON.stringify(one));
        }
      }),
    );
  });

  test.each<[string, number, number, number, number]>([
    ['a short user id', 31, 16, 0, 0],
    ['a long device id', 32, 17, 0, 0],
    ['a stream above u16', 32, 16, 0x10000, 0],
    ['a negative epoch', 32, 16, 0, -1],
    ['an epoch above u32', 32, 16, 0, 0x100000000],
    ['a fractional epoch', 32, 16, 0, 0.5],
    ['an epoch that is not a number', 32, 16, 0, NaN],
  ])('throws on %s', (_, userBytes, deviceBytes, stream, epoch) => {
    const user = new Uint8Array(userBytes);
    const device = new Uint8Array(deviceBytes);
    expect(() => epochKey(new Uint8Array(16), user, device, stream, epoch)).toThrow('epoch key');
  });

  test('an epoch is an hour', () => {
    expect(EPOCH_MS).toBe(60 * 60 * 1000);
    expect([0, EPOCH_MS - 1, EPOCH_MS].map(epochOf)).toEqual([0, 0, 1]);
  });
});
