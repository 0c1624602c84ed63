/** Where the time of a run goes. */

/** Time spent in each phase of a run, microseconds. */
export class Phases {
  readonly #spent: Record<string, number> = {};
  #current: string | undefined;
  #since = 0;

  begin(phase: string): void {
    this.end();
    this.#current = phase;
    this.#since = performance.now();
  }

  end(): Record<string, number> {
    if (this.#current !== undefined) {
      const spent = Math.round((performance.now() - this.#since) * 1000);
      this.#spent[this.#current] = (this.#spent[this.#current] ?? 0) + spent;
      this.#current = undefined;
    }
    return this.#spent;
  }
}
