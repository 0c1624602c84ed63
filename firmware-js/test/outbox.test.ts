import { describe, expect, test } from '@jest/globals';
import { BEAT_ENVELOPE_BYTES } from '@mozaik/protocol/envelope';
import { crc32 as nodeCrc32 } from 'node:zlib';
import { crc32 } from '../src/crc32.ts';
import { FlashPages } from '../src/espruino/flash-pages.ts';
import { Outbox } from '../src/outbox.ts';
import { FakeFlash } from './fake-flash.ts';
import { PowerCut } from './power-cut.ts';

const DEVICE = new Uint8Array(16).fill(9);
/** Records in a page of 4,096 bytes. */
const PER_PAGE = 16;

Object.assign(globalThis, { E: { CRC32: (bytes: Uint8Array) => nodeCrc32(bytes) } });

function envelope(sequence: number): Uint8Array {
  const bytes = new Uint8Array(BEAT_ENVELOPE_BYTES).fill(sequence);
  new DataView(bytes.buffer).setUint32(16, sequence);
  return bytes;
}

/** Takes so many samples without answering for them. */
function sink(room = Infinity) {
  const got: number[] = [];
  return {
    got,
    offer: (bytes: Uint8Array) => {
      if (got.length >= room) return false;
      const sequence = new DataView(bytes.buffer, bytes.byteOffset).getUint32(16);
      expect(bytes).toEqual(envelope(sequence));
      got.push(sequence);
      return true;
    },
  };
}

const start = (flash: FakeFlash, device = DEVICE, stream = 0) =>
  new Outbox(new FlashPages(flash, flash.area), device, stream);

test('the checksum is that of IEEE 802.3', () => {
  expect(crc32(Buffer.from('123456789'), 9)).toBe(0xcbf43926);
});

describe('the outbox in flash', () => {
  test('hands on what it has kept, and after a restart what was not acknowledged', () => {
    const flash = new FakeFlash(2);
    const before = start(flash);
    const first = sink();
    before.start(first);
    for (let n = 0; n < 5; n++) expect(before.offer(envelope(n))).toBe(true);
    expect(first.got).toEqual([0, 1, 2, 3, 4]);
    before.settle(1);
    before.settle(3);
    before.settle(77);
    expect(before.pending()).toBe(3);

    const after = start(flash);
    expect(after.pending()).toBe(3);
    const second = sink();
    after.start(second);
    expect(second.got).toEqual([0, 2, 4]);
    after.offer(envelope(5));
    expect(second.got).toEqual([0, 2, 4, 5]);
  });

  test('holds back what is not taken, and offers it again oldest first', () => {
    const outbox = start(new FakeFlash(3));
    const few = sink(2);
    outbox.start(few);
    for (let n = 0; n < 4; n++) outbox.offer(envelope(n));
    expect(few.got).toEqual([0, 1]);
    few.got.pop();
    outbox.settle(0);
    expect(few.got).toEqual([0, 2]);
  });

  test('refuses when it is full, and has room again when a page is done', () => {
    const flash = new FakeFlash(2);
    const outbox = start(flash);
    outbox.start(sink());
    for (let n = 0; n < 2 * PER_PAGE; n++) expect(outbox.offer(envelope(n))).toBe(true);
    expect(outbox.offer(envelope(99))).toBe(false);
    expect(outbox.refused).toBe(1);
    for (let n = 0; n < PER_PAGE - 1; n++) outbox.settle(n);
    expect(outbox.offer(envelope(99))).toBe(false);
    outbox.settle(PER_PAGE - 1);
    expect(outbox.offer(envelope(100))).toBe(true);
    expect(start(flash).pending()).toBe(PER_PAGE + 1);
  });

  test('wears all pages alike, an erasure for 16 heartbeats', () => {
    const flash = new FakeFlash(4);
    const outbox = start(flash);
    outbox.start(sink());
    for (let n = 0; n < 40 * PER_PAGE; n++) {
      expect(outbox.offer(envelope(n))).toBe(true);
      outbox.settle(n);
    }
    expect(flash.erasures).toEqual([10, 10, 10, 10]);
    // A page's first word, twice. An nRF52832 allows 2 and 181.
    expect(flash.most).toEqual({ word: 2, block: 129 });
  });

  test('goes on in a page that is not full', () => {
    const flash = new FakeFlash(2);
    for (let n = 0; n < 2 * PER_PAGE; n++) expect(start(flash).offer(envelope(n))).toBe(true);
    expect(flash.erasures).toEqual([1, 1]);
    expect(start(flash).pending()).toBe(2 * PER_PAGE);
  });

  test.each(Array.from({ length: 4 }, (_, n) => n))(
    'drops a record that was cut short (%s)',
    (n) => {
      const flash = new FakeFlash(2);
      const outbox = start(flash);
      const got = sink();
      outbox.start(got);
      outbox.offer(envelope(0));
      flash.isCut = () => true;
      flash.below = (limit) => Math.floor((limit * n) / 4);
      expect(() => outbox.offer(envelope(1))).toThrow(PowerCut);
      flash.isCut = () => false;
      expect(got.got).toEqual([0]);
      const after = start(flash);
      const next = sink();
      after.start(next);
      expect(next.got).toEqual([0]);
      expect(after.offer(envelope(2))).toBe(true);
      expect(start(flash).pending()).toBe(2);
    },
  );

  test('does not take what another device or stream has left', () => {
    const flash = new FakeFlash(2);
    start(flash).offer(envelope(1));
    expect(start(flash, DEVICE, 1).pending()).toBe(0);
    const other = start(flash, new Uint8Array(16));
    expect(other.pending()).toBe(0);
    expect(other.offer(envelope(2))).toBe(true);
    expect(start(flash, new Uint8Array(16)).pending()).toBe(1);
  });

  test('refuses a sample that worn flash does not keep, and goes on', () => {
    const flash = new FakeFlash(2);
    const outbox = start(flash);
    const got = sink();
    outbox.start(got);
    outbox.offer(envelope(0));
    // A bit of the next slot cannot be set any more.
    flash.bytes[4 + 244 + 100] = 0;
    const write = flash.write.bind(flash);
    flash.write = (bytes, address) => {
      const worn = Uint8Array.from(bytes);
      if (bytes.length > 4) worn[96] = 0;
      write(worn, address);
    };
    expect(outbox.offer(envelope(1))).toBe(false);
    flash.write = write;
    expect(outbox.offer(envelope(2))).toBe(true);
    expect(got.got).toEqual([0, 2]);
    expect(outbox.refused).toBe(1);
  });

  test.each([
    ['one page', { addr: 0, length: 4096 }],
    ['half a page', { addr: 2048, length: 8192 }],
    ['what is no flash', { addr: 1 << 20, length: 8192 }],
  ])('refuses %s', (_, area) => {
    const flash = new FakeFlash(4);
    expect(() => new FlashPages(flash, area)).toThrow('two or more whole pages');
  });
});
