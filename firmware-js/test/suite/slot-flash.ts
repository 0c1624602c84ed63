/** A flash of two slots whose writes can be cut short, within the boards' subset. */
import type { LedgerStorage } from '../../src/ledger.ts';
import type { SequenceLedger } from '../../src/sealer.ts';
import type { SuiteFlash } from './sdk.ts';

export function slotFlash(
  start: (storage: LedgerStorage) => SequenceLedger,
  provision: (storage: LedgerStorage) => void,
): SuiteFlash {
  const slots: (Uint8Array | undefined)[] = [undefined, undefined];
  let left = -1;
  const storage: LedgerStorage = {
    read: (slot) => slots[slot],
    write: (slot, bytes) => {
      const copy = new Uint8Array(bytes.length);
      copy.set(bytes);
      if (left === 0) {
        left = -1;
        copy.fill(255, 5);
        slots[slot] = copy;
        throw new Error('power cut');
      }
      left--;
      slots[slot] = copy;
    },
  };
  provision(storage);
  return {
    start: () => start(storage),
    cutAfter: (writes) => {
      left = writes;
    },
  };
}
