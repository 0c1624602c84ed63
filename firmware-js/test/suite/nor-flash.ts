/**
 * Espruino's Storage on flash that can clear bits and nothing else, whose writes can be cut short.
 * Within the boards' subset.
 */
import type { Storage } from '../../src/espruino/board.ts';
import type { SequenceLedger } from '../../src/sealer.ts';
import type { SuiteFlash } from './sdk.ts';

export function norFlash(start: (storage: Storage) => SequenceLedger): SuiteFlash {
  const files: Record<string, Uint8Array | undefined> = {};
  let left = -1;
  const isCut = (): boolean => {
    left--;
    return left === -1;
  };
  const storage: Storage = {
    read: () => undefined,
    readArrayBuffer: (name) => {
      const file = files[name];
      return file === undefined ? undefined : (file.buffer as ArrayBuffer);
    },
    write: (name, bytes, offset, size) => {
      const cut = isCut();
      let file = files[name];
      if (file === undefined) {
        file = new Uint8Array(size);
        file.fill(255);
        files[name] = file;
      }
      const length = cut ? Math.floor(bytes.length / 2) : bytes.length;
      for (let i = 0; i < length; i++) {
        file[offset + i] &= bytes[i];
      }
      if (cut) {
        throw new Error('power cut');
      }
      return true;
    },
    erase: (name) => {
      files[name] = undefined;
    },
  };
  return {
    start: () => start(storage),
    cutAfter: (writes) => {
      left = writes;
    },
  };
}
