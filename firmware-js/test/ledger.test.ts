import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { LEDGER_BLOCK, NonceLedger } from '../src/ledger.ts';
import type { LedgerStorage } from '../src/ledger.ts';

/** Two slots of flash whose power can fail in the middle of a write. */
class Flash implements LedgerStorage {
  readonly slots: (Uint8Array | undefined)[] = [undefined, undefined];
  writes = 0;
  /** What the next write leaves behind instead of succeeding. */
  fault: ((old: Uint8Array | undefined, bytes: Uint8Array) => Uint8Array | undefined) | undefined;

  read(slot: number): Uint8Array | undefined {
    return this.slots[slot];
  }

  write(slot: number, bytes: Uint8Array): void {
    this.writes++;
    const fault = this.fault;
    this.fault = undefined;
    this.slots[slot] = fault === undefined ? bytes.slice() : fault(this.slots[slot], bytes);
    if (fault !== undefined) {
      throw new Error('power cut');
    }
  }
}

/** A write that only reached its first `n` bytes, over what was there or over erased flash. */
const torn = fc.record({ n: fc.nat(12), erased: fc.boolean() }).map(({ n, erased }) => {
  return (old: Uint8Array | undefined, bytes: Uint8Array) => {
    const rest = erased || old === undefined ? new Uint8Array(12).fill(0xff) : old;
    return Uint8Array.from([...bytes.slice(0, n), ...rest.slice(n)]);
  };
});
const truncated = fc.nat(12).map((n) => (_: unknown, bytes: Uint8Array) => bytes.slice(0, n));
const garbage = fc.uint8Array({ maxLength: 16 }).map((left) => () => left);
const nothing = fc.constant((old: Uint8Array | undefined) => old);
const fault = fc.oneof(torn, truncated, garbage, nothing);

/** One life of the board: how many numbers it takes, and how the write that ends it fails. */
const life = fc.record({
  numbers: fc.nat(12),
  cutAtStart: fc.boolean(),
  fault: fc.option(fault, { nil: undefined }),
});

describe('the nonce ledger', () => {
  test('counts upwards, one write per block', () => {
    const flash = new Flash();
    const ledger = new NonceLedger(flash);
    const numbers = Array.from({ length: 3 * LEDGER_BLOCK }, () => ledger.next());
    expect(numbers).toEqual(numbers.map((_, i) => i));
    expect(flash.writes).toBe(2 + 3);
  });

  test('goes on after its reservation when restarted', () => {
    const flash = new Flash();
    new NonceLedger(flash).next();
    expect(new NonceLedger(flash).next()).toBe(LEDGER_BLOCK);
  });

  test('never repeats a number, whatever power cuts do to its writes', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4 }),
        fc.array(life, { maxLength: 12 }),
        (block, lives) => {
          const flash = new Flash();
          const given: number[] = [];
          for (const { numbers, cutAtStart, fault } of lives) {
            try {
              if (cutAtStart) {
                flash.fault = fault;
              }
              const ledger = new NonceLedger(flash, block);
              for (let i = 0; i < numbers; i++) {
                given.push(ledger.next());
              }
              flash.fault = fault;
              for (let i = 0; fault !== undefined && i <= block; i++) {
                given.push(ledger.next());
              }
            } catch (error) {
              // A cut is the only thing that may stop the board: it never refuses to start again.
              expect((error as Error).message).toBe('power cut');
            }
            flash.fault = undefined;
          }
          given.push(new NonceLedger(flash, block).next());
          expect(given.every((number, i) => i === 0 || number > given[i - 1])).toBe(true);
        },
      ),
      { numRuns: 3000 },
    );
  });

  test('goes on within one life after a write that failed', () => {
    const flash = new Flash();
    const ledger = new NonceLedger(flash, 2);
    const given = [ledger.next(), ledger.next()];
    flash.fault = () => new Uint8Array(3);
    expect(() => ledger.next()).toThrow('power cut');
    given.push(ledger.next(), new NonceLedger(flash, 2).next());
    expect(given).toEqual([0, 1, 2, 4]);
  });

  test('refuses to run when its storage is in use but unreadable', () => {
    const flash = new Flash();
    new NonceLedger(flash).next();
    flash.slots[0] = new Uint8Array(12);
    flash.slots[1] = new Uint8Array(12).fill(0xff);
    expect(() => new NonceLedger(flash)).toThrow('must not be used again');
  });

  test('knows every damaged record by its checksum', () => {
    const flash = new Flash();
    const ledger = new NonceLedger(flash);
    for (let i = 0; i <= LEDGER_BLOCK; i++) {
      ledger.next();
    }
    const newest = flash.slots.findIndex((slot) => slot?.[7] === 2 * LEDGER_BLOCK);
    const record = flash.slots[newest] as Uint8Array;
    for (let bit = 0; bit < 8 * record.length; bit++) {
      record[bit >> 3] ^= 1 << (bit & 7);
      const copy = new Flash();
      copy.slots.splice(0, 2, ...flash.slots.map((slot) => slot?.slice()));
      expect(new NonceLedger(copy).next()).toBe(LEDGER_BLOCK);
      record[bit >> 3] ^= 1 << (bit & 7);
    }
  });

  test('ends with the last number instead of starting again', () => {
    const flash = new Flash();
    const nearTheEnd = Uint8Array.from([
      ...Buffer.from('mzk1'),
      0xff,
      0xff,
      0xff,
      0xfd,
      0,
      0,
      0,
      0,
    ]);
    new DataView(nearTheEnd.buffer).setUint32(8, crc32(nearTheEnd.subarray(0, 8)));
    flash.slots[0] = nearTheEnd;
    const ledger = new NonceLedger(flash);
    expect([ledger.next(), ledger.next()]).toEqual([0xfffffffd, 0xfffffffe]);
    expect(() => ledger.next()).toThrow('all sequence numbers are used');
    expect(() => new NonceLedger(flash).next()).toThrow('all sequence numbers are used');
  });

  test.each([0, -1, 0.5, NaN, 65537])('throws on a block of %d', (block) => {
    expect(() => new NonceLedger(new Flash(), block)).toThrow('a block has');
  });
});

/** CRC-32 by polynomial division over a bit string, to check the ledger's against. */
function crc32(bytes: Uint8Array): number {
  let remainder = 0xffffffffn;
  for (const byte of bytes) {
    remainder ^= BigInt(byte);
    for (let i = 0; i < 8; i++) {
      remainder = remainder & 1n ? (remainder >> 1n) ^ 0xedb88320n : remainder >> 1n;
    }
  }
  return Number(remainder ^ 0xffffffffn);
}
