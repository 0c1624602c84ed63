/** The heartbeat sensor: samples in, sealed envelopes out. */
import { hide } from './bytes.ts';
import { Sealer } from './sealer.ts';
import type { SealerOptions } from './sealer.ts';
import { Segmenter } from './segmenter.ts';

export interface HeartbeatSensorOptions extends SealerOptions {
  /** Milliseconds since 1970. */
  clock: () => number;
}

export class HeartbeatSensor extends Sealer {
  /** Hidden like the keys: it holds samples. */
  declare private readonly segmenter: Segmenter;
  private readonly now: () => number;

  /** @throws Error on a wrong length or range. */
  constructor(options: HeartbeatSensorOptions) {
    super(options);
    this.now = options.clock;
    const segmenter = new Segmenter({
      onBeat: (window, timeMs) => {
        this.beat(window, timeMs);
      },
    });
    hide(this, 'segmenter', segmenter);
  }

  /**
   * Takes one ECG sample, an integer, at 125 Hz; publishes a beat whenever one is complete.
   *
   * @param timeMs when it was taken, ms since 1970; now when left out.
   */
  sample(value: number, timeMs?: number): void {
    this.segmenter.push(value, timeMs ?? this.now());
  }

  /** Forgets the samples so far: those that follow do not continue them, as after loose electrodes. */
  restart(): void {
    this.segmenter.restart();
  }
}
