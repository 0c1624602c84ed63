/** Login challenges: random, answered once, soon. */
import { randomBytes } from 'node:crypto';
import { CHALLENGE_BYTES } from '@mozaik/protocol';
import { CHALLENGE_TTL_MS, CHALLENGES_MAX } from '../limits.ts';

export class Challenges {
  readonly #now: () => number;
  /** Challenge → when it ends; in the order of issue, so the first is the oldest. */
  readonly #open = new Map<string, number>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** A fresh challenge, in hexadecimal. */
  issue(): string {
    if (this.#open.size >= CHALLENGES_MAX) {
      for (const oldest of this.#open.keys()) {
        this.#open.delete(oldest);
        break;
      }
    }
    const challenge = randomBytes(CHALLENGE_BYTES).toString('hex');
    this.#open.set(challenge, this.#now() + CHALLENGE_TTL_MS);
    return challenge;
  }

  /** Uses a challenge up. @returns whether it was open */
  take(challenge: string): boolean {
    const ends = this.#open.get(challenge);
    this.#open.delete(challenge);
    return ends !== undefined && this.#now() < ends;
  }
}
