/**
 * The nonce ledger: sequence numbers that never repeat, whatever happens to the power.
 *
 * Numbers are reserved in blocks: a record in persistent storage names the first number that is
 * *not* reserved, and it is complete before any number below it is given out. After a restart the
 * ledger goes on at the highest record, so that a cut costs at most one block of numbers.
 *
 * Two slots are written in turn, so a torn write destroys at most the older record. A record is
 *
 * | offset | bytes | field    | meaning                                          |
 * | ------ | ----- | -------- | ------------------------------------------------ |
 * | 0      | 4     | magic    | ASCII `mzk1`                                     |
 * | 4      | 4     | limit    | first number that is not reserved, u32 big-endian |
 * | 8      | 4     | checksum | CRC-32 (IEEE 802.3) of bytes 0..7                |
 *
 * The magic keeps erased flash (all 0xff), which has a valid CRC-32, from passing as a record. Any
 * mixture of an old and a new record differs from a valid one in at most 32 adjacent bits, which
 * CRC-32 always detects.
 *
 * Before the first number is given out both slots are written, slot 0 first. So, when no slot is
 * valid, a slot 1 that was never written proves that none has been given out.
 *
 * Storage that was erased proves that too, wrongly. Boards therefore make their ledger once for each key, by
 * {@link provisionLedger}, and then refuse to run without it.
 */
import { ascii, getU32, putU32 } from './bytes.ts';
import { crc32 } from './crc32.ts';

/** Two small slots of persistent storage. */
export interface LedgerStorage {
  /** What slot 0 or 1 holds, or undefined when it was never written. */
  read(slot: number): Uint8Array | undefined;
  /** Replaces a slot, and returns only when power loss cannot undo it. May keep no reference. */
  write(slot: number, bytes: Uint8Array): void;
}

/** Numbers reserved per write by default: about one write per minute of heartbeats. */
export const LEDGER_BLOCK = 64;
/** The highest number is given up so that a limit always fits in 32 bits. */
const LAST_LIMIT = 0xffffffff;
const RECORD_BYTES = 12;
const MAGIC = 'mzk1';

/** The limit that a slot's content names, or -1 when it is not a whole record. */
function limitOf(record: Uint8Array | undefined): number {
  if (record === undefined || record.length !== RECORD_BYTES) {
    return -1;
  }
  const magic = ascii(MAGIC);
  for (let i = 0; i < magic.length; i++) {
    if (record[i] !== magic[i]) {
      return -1;
    }
  }
  return getU32(record, 8) === crc32(record, 8) ? getU32(record, 4) : -1;
}

/** Whether a number may have been given out from here. */
const isBlank = (storage: LedgerStorage): boolean =>
  limitOf(storage.read(0)) < 0 && storage.read(1) === undefined;

export class NonceLedger {
  private readonly storage: LedgerStorage;
  private readonly block: number;
  private readonly record = new Uint8Array(RECORD_BYTES);
  private following: number;
  private limit: number;
  /** The slot that does not hold the highest record. */
  private spare: number;

  /**
   * Reads the storage; formats it when it is blank.
   *
   * @param block numbers reserved per write, {@link LEDGER_BLOCK} when left out.
   * @param isProvisioned refuses blank storage.
   * @throws Error when the storage has been in use and no record in it is whole: the device must not
   * run, since any number might be a repetition. It then needs a new master key.
   */
  constructor(storage: LedgerStorage, block?: number, isProvisioned?: boolean) {
    this.storage = storage;
    this.block = block ?? LEDGER_BLOCK;
    if (!(this.block >= 1 && this.block <= 65536 && this.block === Math.floor(this.block))) {
      throw new Error('nonce ledger: a block has 1 to 65536 numbers');
    }
    this.record.set(ascii(MAGIC), 0);
    const limit0 = limitOf(storage.read(0));
    const limit1 = limitOf(storage.read(1));
    this.limit = Math.max(limit0, limit1);
    this.spare = limit0 < limit1 ? 0 : 1;
    if (this.limit < 0) {
      if (isProvisioned === true && isBlank(storage)) {
        throw new Error('nonce ledger: there is none for this master key');
      }
      if (!isBlank(storage)) {
        throw new Error('nonce ledger: no record is whole; this master key must not be used again');
      }
      this.limit = 0;
      this.spare = 0;
      this.save(0);
      this.save(0);
    }
    this.following = this.limit;
  }

  /**
   * A number that this ledger has never given out. Numbers increase, with gaps after restarts.
   *
   * @throws Error when all numbers are used, or when the storage fails; no number is lost or
   * repeated then.
   */
  next(): number {
    if (this.following === this.limit) {
      if (this.limit === LAST_LIMIT) {
        throw new Error('nonce ledger: all sequence numbers are used; provision a new master key');
      }
      this.save(Math.min(this.limit + this.block, LAST_LIMIT));
    }
    return this.following++;
  }

  private save(limit: number): void {
    putU32(this.record, 4, limit);
    putU32(this.record, 8, crc32(this.record, 8));
    this.storage.write(this.spare, this.record);
    this.spare = 1 - this.spare;
    this.limit = limit;
  }
}

/**
 * Makes the ledger of a new key, without which a board refuses to run. Once for each key: a key whose
 * ledger was lost must be replaced, not provisioned again.
 *
 * @param storage of this key alone.
 * @throws Error when it is in use.
 */
export function provisionLedger(storage: LedgerStorage): NonceLedger {
  if (!isBlank(storage)) {
    throw new Error('nonce ledger: this master key has been provisioned before');
  }
  return new NonceLedger(storage);
}
