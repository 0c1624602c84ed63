/** The outbox's slots in Moddable's key-value storage: a key for each, written and deleted as a whole. */
import { crc32 } from '../crc32.ts';
import type { OutboxStorage } from '../outbox.ts';
import type { KeyValueStorage } from './device.ts';

const DOMAIN = 'mozaik-out';

/** @param samples room for so many. */
export function keyValueOutbox(storage: KeyValueStorage, samples: number): OutboxStorage {
  const domain = storage.open({ path: DOMAIN, format: 'buffer' });
  const key = (slot: number) => 's' + slot;
  return {
    slots: samples,
    blockSlots: 1,
    read: (slot) => {
      const held = domain.read(key(slot));
      return held === undefined ? undefined : new Uint8Array(held);
    },
    write: (slot, record) => {
      const copy = new Uint8Array(record.length);
      copy.set(record);
      try {
        domain.write(key(slot), copy.buffer);
      } catch {
        // The partition is full. The outbox reads the slot, finds that it is not kept, and refuses.
      }
    },
    discard: (slot) => {
      domain.delete(key(slot));
    },
    erase: () => {},
    checksum: (bytes) => crc32(bytes, bytes.length),
  };
}
