/**
 * Keeps reading of ranges and erasing apart. An open iterator is a snapshot of the whole database, and
 * LevelDB keeps whatever a snapshot can see: erasing has to run while there is none.
 */
export class Gate {
  #readers = 0;
  #erasing: Promise<void> = Promise.resolve();
  #erasures = 0;
  #idle: (() => void) | undefined;

  async enter(): Promise<void> {
    while (this.#erasures > 0) await this.#erasing;
    this.#readers++;
  }

  leave(): void {
    this.#readers--;
    if (this.#readers === 0) this.#idle?.();
  }

  /** Runs `erase` while no reader is inside; erasures run one after another. */
  exclusive(erase: () => Promise<void>): Promise<void> {
    this.#erasures++;
    const turn = this.#erasing.then(async () => {
      if (this.#readers > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
      await erase();
    });
    this.#erasing = turn
      .catch(() => undefined)
      .then(() => {
        this.#erasures--;
      });
    return turn;
  }
}
