/** The nonce ledger's two slots in Moddable's key-value storage, whose writes are whole or not at all. */
import { hex } from '../bytes.ts';
import type { LedgerStorage } from '../ledger.ts';
import type { KeyValueStorage } from './device.ts';

const DOMAIN = 'mozaik';
/** Of the device id in hexadecimal: an ESP32 takes keys of 15 characters. */
const ID_CHARACTERS = 13;

/** @param device id of the device, so that each master key has a ledger of its own. */
export function keyValueLedger(storage: KeyValueStorage, device: Uint8Array): LedgerStorage {
  const domain = storage.open({ path: DOMAIN, format: 'buffer' });
  const key = (slot: number) => hex(device).substring(0, ID_CHARACTERS) + slot;
  return {
    read: (slot) => {
      const held = domain.read(key(slot));
      return held === undefined ? undefined : new Uint8Array(held);
    },
    write: (slot, bytes) => {
      const copy = new Uint8Array(bytes.length);
      copy.set(bytes);
      domain.write(key(slot), copy.buffer);
    },
  };
}
