/**
 * What the outbox of each target, and Espruino's ledger, are kept in, in memory, with writes that can be cut
 * short. Within the boards' subset.
 */
import type { FlashModule } from '../../src/espruino/board.ts';
import type { KeyValueStorage } from '../../src/moddable/device.ts';

/** Counts writes; the one after so many more is cut short. */
export interface Power {
  left: number;
}

export const OUTBOX_PAGE_BYTES = 1024;
export const OUTBOX_PAGES = 4;

function isCut(power: Power): boolean {
  power.left--;
  return power.left === -1;
}

/** Espruino's `Flash`: bits can be cleared, and set by erasing a page. */
export function flashPages(power: Power): FlashModule {
  const bytes = new Uint8Array(OUTBOX_PAGE_BYTES * OUTBOX_PAGES);
  return {
    getFree: () => [],
    getPage: (address) => ({
      addr: address - (address % OUTBOX_PAGE_BYTES),
      length: OUTBOX_PAGE_BYTES,
    }),
    erasePage: (address) => {
      const cut = isCut(power);
      for (let i = 0; i < OUTBOX_PAGE_BYTES; i++) {
        bytes[address + i] |= cut ? 15 : 255;
      }
      if (cut) {
        throw new Error('power cut');
      }
    },
    write: (from, address) => {
      const cut = isCut(power);
      const length = cut ? Math.floor(from.length / 2) : from.length;
      for (let i = 0; i < length; i++) {
        bytes[address + i] &= from[i];
      }
      if (cut) {
        throw new Error('power cut');
      }
    },
    read: (length, address) => {
      const copy = new Uint8Array(length);
      copy.set(bytes.subarray(address, address + length));
      return copy;
    },
  };
}

/** Moddable's key-value storage. After a cut the board is off: nothing more can be read. */
export function keyValues(power: Power): KeyValueStorage {
  const held: Record<string, ArrayBuffer | undefined> = {};
  return {
    open: () => ({
      read: (key) => {
        if (power.left < 0) {
          throw new Error('power cut');
        }
        return held[key];
      },
      write: (key, value) => {
        if (isCut(power)) {
          const part = new Uint8Array(value.byteLength);
          part.set(new Uint8Array(value).subarray(0, 100));
          held[key] = part.buffer;
          throw new Error('power cut');
        }
        held[key] = value;
      },
      delete: (key) => {
        if (isCut(power)) {
          throw new Error('power cut');
        }
        held[key] = undefined;
      },
    }),
  };
}
