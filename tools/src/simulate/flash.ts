/**
 * Flash memory whose power can fail in the middle of a write. It outlives the board's restarts, being
 * an object of its own, and the process when it stands on files.
 */
import type { LedgerStorage } from '@mozaik/firmware';
import type { Random } from '../ecg/random.ts';

/** Thrown where the power fails: nothing after it runs. */
export class PowerCut extends Error {
  constructor() {
    super('the power was cut');
  }
}

/** Storage in memory. */
export function memoryStorage(): LedgerStorage {
  const slots: (Uint8Array | undefined)[] = [undefined, undefined];
  return {
    read: (slot) => slots[slot]?.slice(),
    write: (slot, bytes) => {
      slots[slot] = bytes.slice();
    },
  };
}

const ERASED = 0xff;

/** What can be left of a write that was cut off; undefined leaves the slot as it was. */
function torn(random: Random, old: Uint8Array | undefined, bytes: Uint8Array) {
  const prefix = bytes.slice(0, random.below(bytes.length + 1));
  const followedBy = (rest: (at: number) => number) =>
    Uint8Array.from(bytes, (_, at) => (at < prefix.length ? bytes[at] : rest(at)));
  switch (random.below(5)) {
    case 0:
      return undefined;
    case 1:
      return prefix;
    case 2:
      return followedBy(() => ERASED);
    case 3:
      return followedBy((at) => old?.[at] ?? ERASED);
    default:
      return followedBy(() => random.below(256));
  }
}

export class Flash implements LedgerStorage {
  readonly #random: Random;
  readonly #storage: LedgerStorage;
  #failing = false;
  /** Writes that a power cut has torn. */
  tornWrites = 0;

  /** @param storage where it keeps the slots, in memory when left out */
  constructor(random: Random, storage = memoryStorage()) {
    this.#random = random;
    this.#storage = storage;
  }

  read(slot: number): Uint8Array | undefined {
    return this.#storage.read(slot);
  }

  /** @throws PowerCut when that was due; the write is then done in part, or not, or all but known */
  write(slot: number, bytes: Uint8Array): void {
    if (!this.#failing) return this.#storage.write(slot, bytes);
    this.#failing = false;
    this.tornWrites++;
    const left = torn(this.#random, this.#storage.read(slot), bytes);
    if (left !== undefined) this.#storage.write(slot, left);
    throw new PowerCut();
  }

  /** The power fails during the next write. */
  failNextWrite(): void {
    this.#failing = true;
  }
}
