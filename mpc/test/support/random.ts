/** Randomness that a test can repeat: sfc32 (Chris Doty-Humphrey, PractRand), seeded by a number. */
export class Random {
  readonly #state = new Uint32Array(4);

  constructor(seed: number) {
    this.#state.set([seed, seed / 2 ** 32, 0x9e3779b9, 1]);
    for (let n = 0; n < 12; n++) this.#word();
  }

  #word(): number {
    const s = this.#state;
    const result = (s[0] + s[1] + s[3]++) >>> 0;
    s[0] = s[1] ^ (s[1] >>> 9);
    s[1] = s[2] + (s[2] << 3);
    s[2] = ((s[2] << 21) | (s[2] >>> 11)) + result;
    return result;
  }

  /** Uniform in 0 <= n < bound. */
  below(bound: number): number {
    return Math.floor((this.#word() / 2 ** 32) * bound);
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)];
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.#word());
  }
}
