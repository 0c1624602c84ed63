/** The nonce ledger beside Espruino's Storage, which may be compacted when the power fails. */
import { expect, test } from '@jest/globals';
import { FlashLedger } from '../src/espruino/flash-ledger.ts';
import { FakeFlash } from './fake-flash.ts';
import { FakeJsf } from './fake-jsf.ts';
import { cutAfter, PowerCut, randomBelow } from './power-cut.ts';

const DEVICE = Uint8Array.from({ length: 16 }, (_, n) => n);
const SEED = 7;
const CUTS = 5000;

test.each([true, false])(
  `${CUTS} power cuts (seed ${SEED}), while Storage is compacted too (page by page: %s): no number repeats, and only a lost key stops it`,
  (isPaged) => {
    const below = randomBelow(SEED);
    const [flash, storageFlash] = [new FakeFlash(2, 1024), new FakeFlash(4, 1024)];
    const storage = new FakeJsf(storageFlash, isPaged);
    flash.below = storageFlash.below = below;
    const found = { lost: 0, kept: 0, provisioningCut: 0 };
    let keys = 0;
    let compactions = 0;
    const given = new Map<string, number>();
    const write = (name: string, text: string) => {
      storage.write(name, Buffer.from(text), 0, text.length);
    };
    const deviceOf = (key: string) => DEVICE.map((byte, n) => byte ^ key.charCodeAt(n));
    /** What `mozaik flash` does: a new key, and then its ledger. */
    const flashBoard = (): void => {
      storage.eraseAll();
      write('mozaik', 'm'.repeat(600));
      write('mozaik.k', `{${String(keys++).padStart(16, '0')}}`);
      new FlashLedger(flash, 0, deviceOf(storage.read('mozaik.k')!.slice(1)), true);
    };
    cutAfter([flash, storageFlash], Infinity);
    flashBoard();
    for (let cuts = 0; cuts < CUTS;) {
      flash.restart();
      storageFlash.restart();
      cutAfter([flash, storageFlash], below(40));
      try {
        const text = storage.read('mozaik.k') ?? '';
        const key = /^\{(\d{16})\}$/.exec(text)?.[1];
        if (key === undefined) {
          found.lost++;
          flashBoard();
          continue;
        }
        found.kept++;
        let ledger: FlashLedger;
        try {
          ledger = new FlashLedger(flash, 0, deviceOf(key), false);
        } catch (error) {
          // Only between the steps of `mozaik flash`, or when Storage brings an older key back.
          if (given.has(key) && Number(key) === keys - 1) throw error;
          found.provisioningCut++;
          flashBoard();
          continue;
        }
        for (let turn = 0; turn < 10; turn++) {
          for (let n = 0; n < 40; n++) {
            const number = ledger.next();
            if (number <= (given.get(key) ?? -1)) throw new Error(`${number} again`);
            given.set(key, number);
          }
          // Another program's file, which fills Storage again and again.
          const before = storage.compactions;
          write('log', String(below(1e9)).repeat(1 + below(70)));
          compactions += storage.compactions - before;
        }
      } catch (error) {
        // What a cut has left of Storage may take nothing more.
        if (error instanceof PowerCut) cuts++;
        else if (/Unable to find|already written/.test(String(error))) flashBoardWhole();
        else throw error;
      }
    }
    function flashBoardWhole(): void {
      cutAfter([flash, storageFlash], Infinity);
      flashBoard();
    }
    expect(compactions).toBeGreaterThan(CUTS / 20);
    expect(found.lost).toBeGreaterThan(CUTS / 100);
    expect(found.kept).toBeGreaterThan(CUTS / 2);
    expect(found.provisioningCut).toBeGreaterThan(0);
    expect(flash.most.word).toBe(1);
  },
);
