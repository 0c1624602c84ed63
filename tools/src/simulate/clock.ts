/** A board's clock: wrong by an offset, running at a wrong rate, and perhaps faster than life. */

export interface ClockOptions {
  /** What it shows at the start, ms since 1970. */
  startMs: number;
  /** How much faster it runs than it should, in millionths. */
  driftPpm: number;
  /** How much faster than life the whole simulation of this board runs. */
  speed: number;
  /** Real time, ms of any monotonic clock; `performance.now` when left out. */
  now?: () => number;
}

export class BoardClock {
  readonly #options: ClockOptions;
  readonly #now: () => number;
  readonly #since: number;

  constructor(options: ClockOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#since = this.#now();
  }

  /** Ms of the board's time since the start, for its time-outs. */
  elapsed(): number {
    const { speed, driftPpm } = this.#options;
    return (this.#now() - this.#since) * speed * (1 + driftPpm / 1e6);
  }

  /** The date as the board knows it, ms since 1970. */
  date(): number {
    return this.#options.startMs + this.elapsed();
  }
}
