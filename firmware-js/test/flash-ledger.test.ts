import { describe, expect, test } from '@jest/globals';
import { FlashLedger, LEDGER_BLOCK } from '../src/espruino/flash-ledger.ts';
import { FakeFlash } from './fake-flash.ts';
import { cutAfter, PowerCut, randomBelow } from './power-cut.ts';

const DEVICE = Uint8Array.from({ length: 16 }, (_, n) => n);
const OTHER = DEVICE.map((byte) => byte ^ 1);
const SEED = 7;
/** Numbers that a page of 4 KB has. */
const PAGE_NUMBERS = 1016 * LEDGER_BLOCK;

const open = (flash: FakeFlash, device = DEVICE) => new FlashLedger(flash, 0, device, false);
const provision = (flash: FakeFlash, device = DEVICE) => new FlashLedger(flash, 0, device, true);

function provisioned(pageBytes?: number): FakeFlash {
  const flash = new FakeFlash(2, pageBytes);
  provision(flash);
  return flash;
}

describe('the ledger in flash', () => {
  test('counts upwards, over its pages, and within what nRF52832 flash allows', () => {
    const flash = provisioned();
    const ledger = open(flash);
    for (let n = 0; n < 3 * PAGE_NUMBERS; n++) {
      if (ledger.next() !== n) throw new Error(`not ${n}`);
    }
    expect(flash.erasures).toEqual([2, 2]);
    expect(flash.most).toEqual({ word: 1, block: 128 });
  });

  test('goes on after what it had reserved', () => {
    const flash = provisioned();
    expect([open(flash).next(), open(flash).next()]).toEqual([0, LEDGER_BLOCK]);
    open(flash);
    expect(open(flash).next()).toBe(2 * LEDGER_BLOCK);
  });

  test.each([1024, 512])(
    `10,000 power cuts (seed ${SEED}), pages of %d bytes: no number repeats, and it never refuses`,
    (pageBytes) => {
      const below = randomBelow(SEED);
      const flash = provisioned(pageBytes);
      flash.below = below;
      let last = -1;
      for (let cuts = 0; cuts < 10_000;) {
        flash.restart();
        cutAfter([flash], below(6));
        try {
          const ledger = open(flash);
          for (let i = below(5 * LEDGER_BLOCK); i >= 0; i--) {
            const number = ledger.next();
            if (number <= last) throw new Error(`${number} after ${last}, cut ${cuts}`);
            last = number;
          }
        } catch (error) {
          if (!(error instanceof PowerCut)) throw error;
          cuts++;
        }
      }
      expect(flash.erasures[0]).toBeGreaterThan(10);
      expect(flash.most.word).toBe(1);
      expect(flash.most.block).toBeLessThanOrEqual(128);
    },
  );

  test('is made once for a key, and only by provisioning', () => {
    const flash = new FakeFlash(2);
    expect(() => open(flash)).toThrow('has none for this master key');
    provision(flash);
    expect(() => provision(flash)).toThrow('has been provisioned before');
    open(flash).next();
    expect(() => provision(flash)).toThrow('has been provisioned before');
    expect(() => open(flash, OTHER)).toThrow('has none for this master key');
    // A new key takes its place, and the numbers of the old one are not begun again.
    provision(flash, OTHER);
    expect(open(flash, OTHER).next()).toBe(0);
    expect(() => open(flash)).toThrow('has none for this master key');
  });

  test('refuses when what is left is damaged, or was left behind', () => {
    const flash = provisioned(512);
    const ledger = open(flash);
    for (let n = 0; n < 300 * LEDGER_BLOCK; n++) ledger.next();
    const whole = flash.bytes.slice();
    const [active] = [0, 512].filter((page) => whole[page + 28] === 0xff);
    for (let bit = 0; bit < 28 * 8; bit++) {
      flash.bytes[active + (bit >> 3)] ^= 1 << (bit & 7);
      expect(() => open(flash)).toThrow('has none for this master key');
      expect(() => provision(flash)).toThrow('has been provisioned before');
      flash.bytes.set(whole);
    }
    flash.erasePage(active);
    expect(() => open(flash)).toThrow('has none for this master key');
    flash.erasePage(512 - active);
    expect(() => open(flash)).toThrow('has none for this master key');
  });

  test('ends with the last number instead of starting again', () => {
    const flash = provisioned();
    open(flash).next();
    const base = Buffer.from(flash.bytes.buffer, 4096 + 20);
    base.writeUInt32BE(2 ** 32 - 70, 0);
    base.writeUInt32BE(69, 4);
    const ledger = open(flash);
    const last = Array.from({ length: 5 }, () => ledger.next()).at(-1);
    expect(last).toBe(2 ** 32 - 2);
    expect(() => ledger.next()).toThrow('all sequence numbers are used');
    expect(() => open(flash).next()).toThrow('all sequence numbers are used');
  });

  test('notices flash that does not keep what is written, and goes on where it does', () => {
    const flash = provisioned();
    const ledger = open(flash);
    expect(ledger.next()).toBe(0);
    for (let n = 1; n < LEDGER_BLOCK; n++) ledger.next();
    flash.write = () => undefined;
    expect(() => ledger.next()).toThrow('does not keep');
    expect(() => provision(flash, OTHER)).toThrow('does not keep');
    Reflect.deleteProperty(flash, 'write');
  });

  test.each([
    [1, 2],
    [4096, 2],
    [0, 1],
  ])('needs two whole pages: at %d of %d pages', (address, pages) => {
    const flash = new FakeFlash(pages);
    expect(() => new FlashLedger(flash, address, DEVICE, true)).toThrow('two whole pages');
  });
});
