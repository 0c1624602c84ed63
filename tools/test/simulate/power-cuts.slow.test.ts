/**
 * 20,000 power cuts at random instants, within flash writes too, of a board whose nonce ledger, outbox and
 * publisher are the real ones, with the logic of the real sample store at the other end: 10,000 with the
 * outbox and 10,000 without, half with each target's flash.
 *
 * What holds, and is tested here:
 * - no nonce repeats, by the ledger alone: the boot salt is always the same;
 * - a sample that was acknowledged is in the store, with its own bytes, from before the acknowledgement;
 * - no sample is stored twice, and none that was not sealed;
 * - with the outbox, every sample that the board took arrives;
 * - without it, every sample arrives that the board took and did not hold in memory when the power
 *   failed, over lost connections and orderly restarts. What it did hold then, not acknowledged, is lost
 *   unless it was on its way. No other sample is lost.
 */
import { crc32 } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import { NonceLedger, provisionLedger, Publisher, Sealer } from '@mozaik/firmware';
import type { PublishClient } from '@mozaik/firmware';
import { BEAT_SAMPLES, decodeSample, equalBytes, toHex } from '@mozaik/protocol';
import { SampleStore } from '../../../backend/src/store/samples.ts';
import type { Database } from '../../../backend/src/store/database.ts';
import { FlashLedger } from '../../../firmware-js/src/espruino/flash-ledger.ts';
import { FlashPages } from '../../../firmware-js/src/espruino/flash-pages.ts';
import { keyValueLedger } from '../../../firmware-js/src/moddable/ledger.ts';
import { keyValueOutbox } from '../../../firmware-js/src/moddable/outbox.ts';
import { Outbox, type OutboxStorage } from '../../../firmware-js/src/outbox.ts';
import { FakeFlash } from '../../../firmware-js/test/fake-flash.ts';
import { cutAfter, PowerCut as FlashCut } from '../../../firmware-js/test/power-cut.ts';
import { seededRandom, type Random } from '../../src/ecg/random.ts';
import { Flash, PowerCut } from '../../src/simulate/flash.ts';

/** In each of the four cases. */
const CUTS = 5000;
const SEED = 41;
/** Writes within a life, at most: the ledger's are rare, and the outbox has two for each sample. */
const LEDGER_WRITES = 5;
const OUTBOX_WRITES = 30;
/** Samples that the outbox in key-value storage has room for. */
const OUTBOX_SLOTS = 24;
/** Pages of the outbox in flash. */
const OUTBOX_PAGES = 3;
const STREAM = { user: '11'.repeat(32), device: '22'.repeat(16), stream: 0 };
const DEVICE = Buffer.from(STREAM.device, 'hex');
/** An orderly restart in place of a cut, one in so many lives. */
const RESTART_IN = 8;

/** The store's own logic on a map in place of LevelDB. */
function memoryStore() {
  const map = new Map<string, Uint8Array>();
  interface Put {
    key: Buffer;
    value: Uint8Array;
  }
  const db = {
    samples: {
      getMany: (keys: Buffer[]) =>
        Promise.resolve(keys.map((key) => map.get(key.toString('latin1')))),
      put: (key: Buffer, value: Uint8Array): Put => ({ key, value }),
    },
    write: (writes: Put[]) => {
      for (const { key, value } of writes) map.set(key.toString('latin1'), value);
      return Promise.resolve();
    },
  };
  return { store: new SampleStore(db as unknown as Database, () => 0), map };
}

/** A flash whose power may fail at a write; and what real boards keep in it. */
interface BoardFlash {
  /** The power fails at the write after so many, if there are as many. */
  cutAfter: (writes: number) => void;
  ledger: () => { next: () => number };
  outbox: () => OutboxStorage;
}

/** Espruino's checksum is native. */
Object.assign(globalThis, { E: { CRC32: (bytes: Uint8Array) => crc32(bytes) } });

const FLASHES: Record<string, (random: Random) => BoardFlash> = {
  "Espruino's flash": (random) => {
    const flash = new FakeFlash(OUTBOX_PAGES + 2);
    const ledgerAt = OUTBOX_PAGES * flash.pageBytes;
    flash.below = (n) => random.below(n);
    new FlashLedger(flash, ledgerAt, DEVICE, true);
    return {
      cutAfter: (writes) => {
        flash.restart();
        cutAfter([flash], writes);
      },
      ledger: () => new FlashLedger(flash, ledgerAt, DEVICE, false),
      outbox: () => new FlashPages(flash, { addr: 0, length: ledgerAt }),
    };
  },
  'key-value storage': (random) => {
    let left = Infinity;
    const id = STREAM.device.slice(0, 13);
    const keys = [`${id}0`, `${id}1`, ...Array.from({ length: OUTBOX_SLOTS }, (_, n) => `s${n}`)];
    const flash = new Flash(random);
    let isOff = false;
    const cutNow = () => (isOff = left-- === 0);
    const domain = {
      read: (key: string) => {
        if (isOff) throw new PowerCut();
        const held = flash.read(keys.indexOf(key));
        return held?.length ? held.slice().buffer : undefined;
      },
      write: (key: string, value: ArrayBuffer) => {
        if (cutNow()) flash.failNextWrite();
        flash.write(keys.indexOf(key), new Uint8Array(value));
      },
      delete: (key: string) => {
        const isCut = cutNow();
        // Deleted or not: either can be what a cut leaves.
        if (!isCut || random.below(2) === 0) flash.write(keys.indexOf(key), new Uint8Array(0));
        if (isCut) throw new PowerCut();
      },
    };
    const storage = { open: () => domain };
    provisionLedger(keyValueLedger(storage, DEVICE));
    return {
      cutAfter: (writes) => {
        left = writes;
        isOff = false;
      },
      ledger: () => new NonceLedger(keyValueLedger(storage, DEVICE), undefined, true),
      outbox: () => keyValueOutbox(storage, OUTBOX_SLOTS),
    };
  },
};

const CASES = Object.entries(FLASHES).flatMap(([name, flashOf]) =>
  [true, false].map((hasOutbox) => ({ name, flashOf, hasOutbox })),
);

interface OnTheWire {
  envelope: Uint8Array;
  acknowledge: () => void;
}

/** The network and the broker between a board and the store. */
class Link {
  readonly #random: Random;
  readonly #store: SampleStore;
  #wire: OnTheWire[] = [];
  #answers: (() => void)[] = [];
  /** How often each number was stored for the first time. */
  readonly fresh = new Map<number, number>();
  conflicts = 0;

  constructor(random: Random, store: SampleStore) {
    this.#random = random;
    this.#store = store;
  }

  /** The client that a publisher uses; `alive` says whether its board and connection still are. */
  client(events: { onConnected: () => void; onPublished: (id: number) => void }) {
    let alive = true;
    const client: PublishClient = {
      start: () => this.#answers.push(() => alive && events.onConnected()),
      publish: (_topic, payload, packetId) => {
        this.#wire.push({
          envelope: payload.slice(),
          acknowledge: () => alive && events.onPublished(packetId),
        });
      },
      tick: () => undefined,
      close: () => (alive = false),
    };
    return { client, kill: () => (alive = false) };
  }

  /** The broker stores the next sample, if one is on the wire, and says so. */
  async arrive(): Promise<void> {
    const next = this.#wire.shift();
    if (next === undefined) return;
    const { sequence } = decodeSample(next.envelope);
    try {
      const isFresh = await this.#store.put(STREAM, sequence, next.envelope);
      if (isFresh) this.fresh.set(sequence, (this.fresh.get(sequence) ?? 0) + 1);
      this.#answers.push(next.acknowledge);
    } catch {
      this.conflicts++;
    }
  }

  answer(): void {
    this.#answers.shift()?.();
  }

  /** The connection breaks: of what is on the wire, a beginning still arrives; no answer does. */
  break(): void {
    this.#answers = [];
    this.#wire = this.#wire.slice(0, this.#random.below(this.#wire.length + 1));
  }
}

describe.each(CASES)('in $name, with an outbox: $hasOutbox', ({ flashOf, hasOutbox }) => {
  test(`${CUTS} power cuts, seed ${SEED}`, async () => {
    const random = seededRandom(SEED);
    const flash = flashOf(random);
    const { store, map } = memoryStore();
    const link = new Link(random, store);
    const window = new Uint8Array(BEAT_SAMPLES);
    /** All that were sealed, by sequence number. */
    const sealed = new Map<number, Uint8Array>();
    /** Those that the board took. */
    const taken = new Set<number>();
    /** Those that it refused, its outbox or queue being full. */
    let refused = 0;
    /** Those that an outbox had kept over a cut. */
    let keptOver = 0;
    const nonces = new Set<string>();
    let nonceRepeats = 0;
    const acknowledged = new Set<number>();
    let early = 0;
    /** Not acknowledged and in memory when the power failed. */
    const inMemory = new Set<number>();
    const cuts = { idle: 0, writing: 0 };
    let restarts = 0;
    let snapshot: Uint8Array | undefined;
    let now = 0;

    /** The store has it as it was sealed. */
    const isStored = (sequence: number): boolean => {
      const key = Buffer.concat([
        Buffer.from(STREAM.user + STREAM.device, 'hex'),
        Buffer.from([0, 0, sequence >>> 24, sequence >>> 16, sequence >>> 8, sequence]),
      ]).toString('latin1');
      const value = map.get(key);
      const bytes = sealed.get(sequence);
      return value !== undefined && bytes !== undefined && equalBytes(value.subarray(6), bytes);
    };

    /** One life of the board. @returns whether it ended by a cut */
    const live = async (isLast: boolean): Promise<boolean> => {
      let kill: () => void = () => undefined;
      let breakLink: () => void = () => undefined;
      flash.cutAfter(isLast ? Infinity : random.below(hasOutbox ? OUTBOX_WRITES : LEDGER_WRITES));
      let publisher: Publisher | undefined;
      try {
        const ledger = flash.ledger();
        const outbox = hasOutbox ? new Outbox(flash.outbox(), DEVICE, 0) : undefined;
        keptOver += outbox?.pending() ?? 0;
        publisher = new Publisher({
          client: (events) => {
            const made = link.client(events);
            kill = made.kill;
            breakLink = () => {
              made.kill();
              link.break();
              events.onClosed('broken', false);
            };
            return made.client;
          },
          clientId: 'board',
          topic: 'topic',
          random: (bytes) => bytes.fill(0),
          onAcknowledged: (sequence) => {
            acknowledged.add(sequence);
            if (!isStored(sequence)) early++;
            outbox?.settle(sequence);
          },
        });
        const current = publisher;
        const sealer = new Sealer({
          masterKey: new Uint8Array(16).fill(3),
          userId: Buffer.from(STREAM.user, 'hex'),
          stream: 0,
          epochBeats: 1 << 20,
          random: (bytes) => bytes.fill(0),
          ledger,
          sink: {
            offer: (envelope) => {
              const nonce = toHex(envelope.subarray(14, 30));
              if (nonces.has(nonce)) nonceRepeats++;
              nonces.add(nonce);
              const { sequence } = decodeSample(envelope);
              sealed.set(sequence, envelope.slice());
              if (!(outbox ?? current).offer(envelope)) {
                refused++;
                return false;
              }
              taken.add(sequence);
              return true;
            },
          },
        });
        if (snapshot !== undefined) publisher.restore(snapshot);
        snapshot = undefined;
        outbox?.start(publisher);
        const steps = random.below(isLast ? 400 : 60);
        for (let step = 0; step < steps; step++) {
          now += random.below(2000);
          switch (random.below(8)) {
            case 0:
              await link.arrive();
              await link.arrive();
              break;
            case 1:
              link.answer();
              break;
            case 2:
              publisher.tick(now);
              break;
            case 3:
              if (random.below(10) === 0) breakLink();
              break;
            default:
              if (hasOutbox && random.below(3) > 0) {
                // What was kept needs time to get away, or the outbox is always full.
                publisher.tick((now += 1000));
              } else {
                sealer.beat(window, step);
              }
              await link.arrive();
              if (random.below(2) === 0) link.answer();
          }
        }
        if (isLast) {
          for (let n = 0; (outbox ?? publisher).pending() > 0; n++) {
            if (n > 10_000) throw new Error('the queue does not empty');
            publisher.tick((now += 1000));
            await link.arrive();
            link.answer();
          }
          return false;
        }
        if (random.below(RESTART_IN) === 0) {
          publisher.stop();
          if (!hasOutbox) snapshot = publisher.snapshot();
          link.break();
          restarts++;
          return false;
        }
        cuts.idle++;
      } catch (error) {
        if (!(error instanceof PowerCut) && !(error instanceof FlashCut)) throw error;
        cuts.writing++;
      }
      // What an orderly restart had kept is used up as soon as the board has read it.
      const held = publisher?.snapshot() ?? snapshot ?? new Uint8Array(0);
      for (let at = 0; at < held.length; at += 233) {
        inMemory.add(decodeSample(held.subarray(at, at + 233)).sequence);
      }
      snapshot = undefined;
      kill();
      link.break();
      return true;
    };

    for (let n = 0; n < CUTS;) if (await live(false)) n++;
    await live(true);

    expect({ nonceRepeats, early, conflicts: link.conflicts }).toEqual({
      ...{ nonceRepeats: 0, early: 0, conflicts: 0 },
    });
    expect([...link.fresh.values()].every((times) => times === 1)).toBe(true);
    expect([...link.fresh.keys()].every((sequence) => sealed.has(sequence))).toBe(true);
    const lost = [...taken].filter((sequence) => !isStored(sequence));
    expect(lost.filter((sequence) => acknowledged.has(sequence))).toEqual([]);
    expect(lost.filter((sequence) => hasOutbox || !inMemory.has(sequence))).toEqual([]);
    // The test means something only when all of this happened, and often.
    expect(cuts.idle).toBeGreaterThan(CUTS / 10);
    expect(cuts.writing).toBeGreaterThan(CUTS / 10);
    expect(restarts).toBeGreaterThan(CUTS / 100);
    expect(acknowledged.size).toBeGreaterThan(CUTS);
    if (hasOutbox) expect(keptOver).toBeGreaterThan(CUTS / 10);
    else expect(lost.length).toBeGreaterThan(CUTS / 100);
    expect(refused).toBeLessThan(taken.size / 4);
    const arrivedAnyway = [...inMemory].filter((sequence) => isStored(sequence));
    expect(arrivedAnyway.length).toBeGreaterThan(CUTS / 100);
    expect(taken.size).toBeGreaterThan(CUTS);
    expect(nonces.size).toBeGreaterThanOrEqual(taken.size);
  }, 120_000);
});
