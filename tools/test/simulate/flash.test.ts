import { describe, expect, test } from '@jest/globals';
import { HeartbeatSensor, NonceLedger, type LedgerStorage } from '@mozaik/firmware';
import { BEAT_SAMPLES, decodeSample, toHex } from '@mozaik/protocol';
import { seededRandom, type Random } from '../../src/ecg/random.ts';
import { Flash, memoryStorage, PowerCut } from '../../src/simulate/flash.ts';

const LIVES = 30_000;
const MASTER_KEY = new Uint8Array(16).fill(1);
const USER = new Uint8Array(32).fill(2);
const WINDOW = new Uint8Array(BEAT_SAMPLES);

/** Runs `work` until it ends or the power fails in it. */
function survives(work: () => void): boolean {
  try {
    work();
    return true;
  } catch (error) {
    if (!(error instanceof PowerCut)) throw error;
    return false;
  }
}

/** One number per life or many, with power cuts while starting, while reserving and in between. */
function liveThrough(storage: LedgerStorage, flash: Flash, random: Random): number[] {
  const given: number[] = [];
  for (let life = 0; life < LIVES; life++) {
    if (random.below(3) === 0) flash.failNextWrite();
    survives(() => {
      const ledger = new NonceLedger(storage, 1 + random.below(8));
      if (random.below(3) === 0) flash.failNextWrite();
      for (let n = random.below(24); n > 0; n--) given.push(ledger.next());
    });
  }
  return given;
}

const repeats = (numbers: number[]): number => numbers.length - new Set(numbers).size;

describe('flash that loses power', () => {
  test('what a torn write leaves survives, and the write throws', () => {
    const left = new Set<string>();
    for (let seed = 0; seed < 200; seed++) {
      const flash = new Flash(seededRandom(seed));
      flash.write(0, Uint8Array.of(1, 1, 1));
      flash.failNextWrite();
      expect(() => flash.write(0, Uint8Array.of(2, 2, 2))).toThrow(PowerCut);
      left.add(toHex(flash.read(0)!));
      expect(flash.tornWrites).toBe(1);
      flash.write(0, Uint8Array.of(3, 3, 3));
      expect(flash.read(0)).toEqual(Uint8Array.of(3, 3, 3));
    }
    // Nothing of it, parts over old and over erased cells, a short record, and all of it.
    for (const form of ['010101', '020101', '02ffff', '0202', '020202'])
      expect(left).toContain(form);
    expect(left.size).toBeGreaterThan(20);
  });

  test('more than 10,000 power cuts make the nonce ledger repeat no number', () => {
    const flash = new Flash(seededRandom(1));
    const given = liveThrough(flash, flash, seededRandom(2));
    expect(flash.tornWrites).toBeGreaterThan(10_000);
    expect(given.length).toBeGreaterThan(LIVES);
    expect(repeats(given)).toBe(0);
  });

  test('and one that did not reserve would be caught', () => {
    const memory = memoryStorage();
    let writes = 0;
    const forgetful: LedgerStorage = {
      read: (slot) => memory.read(slot),
      // Confirms each hundredth write without having done it.
      write: (slot, bytes) => (++writes % 100 === 0 ? undefined : memory.write(slot, bytes)),
    };
    const unused = new Flash(seededRandom(1));
    expect(repeats(liveThrough(forgetful, unused, seededRandom(2)))).toBeGreaterThan(0);
  });

  test('a sensor repeats no nonce, even with a random source that is stuck', () => {
    const random = seededRandom(3);
    const flash = new Flash(random, memoryStorage());
    const nonces = new Set<string>();
    let sealed = 0;
    for (let life = 0; life < 1000; life++) {
      if (random.below(2) === 0) flash.failNextWrite();
      survives(() => {
        const sensor = new HeartbeatSensor({
          masterKey: MASTER_KEY,
          userId: USER,
          stream: 0,
          clock: () => 0,
          random: (bytes) => bytes.fill(9),
          ledger: new NonceLedger(flash),
          sink: {
            offer: (envelope) => {
              nonces.add(toHex(decodeSample(envelope).nonce));
              sealed++;
              return true;
            },
          },
        });
        // A clock that jumps: the nonce must not depend on the epoch.
        for (let n = random.below(6); n > 0; n--) sensor.beat(WINDOW, random.below(2 ** 32));
      });
    }
    expect(flash.tornWrites).toBeGreaterThan(300);
    expect(sealed).toBeGreaterThan(500);
    expect(nonces.size).toBe(sealed);
  });
});
