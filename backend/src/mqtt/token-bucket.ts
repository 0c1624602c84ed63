/** Token bucket: `burst` at once, `rate` per second in the long run. */
export class TokenBucket {
  readonly #rate: number;
  readonly #burst: number;
  #tokens: number;
  #updated: number;

  constructor(rate: number, burst: number, now: number) {
    this.#rate = rate;
    this.#burst = burst;
    this.#tokens = burst;
    this.#updated = now;
  }

  /**
   * Takes one token, on credit if need be.
   * @param now monotonic time, ms
   * @returns how long to wait until it is covered, ms; 0 when it is
   */
  take(now: number): number {
    const earned = ((now - this.#updated) / 1000) * this.#rate;
    this.#tokens = Math.min(this.#burst, this.#tokens + earned) - 1;
    this.#updated = now;
    return this.#tokens >= 0 ? 0 : (-this.#tokens / this.#rate) * 1000;
  }
}
