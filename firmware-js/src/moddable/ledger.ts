/** The nonce ledger's two slots in Moddable's key-value storage, whose writes are whole or not at all. */
import type { LedgerStorage } from '../ledger.ts';
import type { KeyValueStorage } from './device.ts';

const DOMAIN = 'mozaik';

export function keyValueLedger(storage: KeyValueStorage): LedgerStorage {
  const domain = storage.open({ path: DOMAIN, format: 'buffer' });
  return {
    read: (slot) => {
      const held = domain.read('ledger' + slot);
      return held === undefined ? undefined : new Uint8Array(held);
    },
    write: (slot, bytes) => {
      const copy = new Uint8Array(bytes.length);
      copy.set(bytes);
      domain.write('ledger' + slot, copy.buffer);
    },
  };
}
