/**
 * Users' evaluation keys, in memory: fetched once, used for every request of their key epoch, and
 * forgotten with a newer epoch, a revocation, or the end of the consents that they were used for.
 */
import {
  checkBody,
  decodeFrame,
  equalBytes,
  MozaikError,
  toHex,
  verifyEvaluationKeys,
} from '@mozaik/protocol';
import type { Backend } from './backend.ts';

/** Users whose keys are held at once: bounds memory, 10 MB each. */
const USERS_MAX = 8;

interface Held {
  hash: Uint8Array;
  keys: Uint8Array;
  /** End of the last consent that they were used for, ms since 1970. */
  until: number;
}

export class EvaluationKeyCache {
  readonly #backend: Pick<Backend, 'evaluationKeys'>;
  readonly #forget: (keys: Uint8Array) => void;
  /** By user, the least recently used first. */
  readonly #held = new Map<string, Held>();
  readonly #fetching = new Map<string, Promise<unknown>>();
  #withdrawals = 0;

  /** @param forget wipes what was made of keys elsewhere */
  constructor(backend: Pick<Backend, 'evaluationKeys'>, forget: (keys: Uint8Array) => void) {
    this.#backend = backend;
    this.#forget = forget;
  }

  /**
   * The evaluation keys that a request names.
   * @param until end of the consent, ms since 1970
   * @throws MozaikError EVALUATION_KEYS_MISSING when the backend has others; CIPHERTEXT_ALTERED,
   *   ENCODING_INVALID, SIGNATURE_INVALID; UNAVAILABLE when they were withdrawn while they came
   */
  async get(user: Uint8Array, hash: Uint8Array, until: number): Promise<Uint8Array> {
    const name = toHex(user);
    // Two jobs of a user fetch them once.
    const coming = this.#fetching.get(name);
    if (coming) await coming.catch(() => undefined);
    const held = this.#held.get(name);
    if (held && equalBytes(held.hash, hash)) {
      held.until = Math.max(held.until, until);
      this.#held.delete(name);
      this.#held.set(name, held);
      return held.keys;
    }
    const fetching = this.#fetch(user, hash, until);
    this.#fetching.set(name, fetching);
    try {
      return await fetching;
    } finally {
      if (this.#fetching.get(name) === fetching) this.#fetching.delete(name);
    }
  }

  async #fetch(user: Uint8Array, hash: Uint8Array, until: number): Promise<Uint8Array> {
    const name = toHex(user);
    const before = this.#withdrawals;
    const { signed, body: keys } = decodeFrame(await this.#backend.evaluationKeys(user));
    const announced = verifyEvaluationKeys(signed, user);
    if (!equalBytes(announced.hash, hash)) throw new MozaikError('EVALUATION_KEYS_MISSING');
    checkBody(announced.value, keys);
    if (this.#withdrawals !== before) {
      throw new MozaikError('UNAVAILABLE', 'evaluation keys were withdrawn while they came');
    }
    this.#drop(name);
    if (this.#held.size >= USERS_MAX) {
      const [oldest] = this.#held.keys();
      this.#drop(oldest);
    }
    this.#held.set(name, { hash, keys, until });
    return keys;
  }

  /** Forgets a user's keys. */
  drop(user: Uint8Array): void {
    this.#withdrawals++;
    this.#drop(toHex(user));
  }

  /** Forgets keys whose consents have all ended. */
  sweep(now: number): void {
    for (const [name, { until }] of this.#held) if (now >= until) this.#drop(name);
  }

  has(user: Uint8Array): boolean {
    return this.#held.has(toHex(user));
  }

  #drop(name: string): void {
    const held = this.#held.get(name);
    if (held === undefined) return;
    this.#held.delete(name);
    this.#forget(held.keys);
  }
}
