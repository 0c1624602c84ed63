/**
 * An AD8232 as a sensor class of ECMA-419: made with its inputs, configured, sampled, closed.
 *
 * ```js
 * const ecg = new EcgSensor({
 *   sensor: { io: device.io.Analog, pin: 34 },
 *   leadsOff: [{ io: device.io.Digital, pin: 32, mode: device.io.Digital.Input }],
 *   onAlert() {},
 * });
 * ecg.sample(); // { ecg: 2048 }, or {} while an electrode is loose
 * ```
 */
import type { Analog, Digital, IoOptions } from './device.ts';

export interface EcgSensorOptions {
  /** The amplifier's output. */
  sensor: IoOptions<Analog>;
  /** The amplifier's pins that are high while an electrode is loose. */
  leadsOff?: IoOptions<Digital>[];
  /** An electrode came off, or all are on again: `sample` tells which. */
  onAlert?: () => void;
}

export interface EcgSample {
  /** A 12-bit reading; left out while an electrode is loose. */
  ecg?: number;
}

const BITS = 12;

export class EcgSensor {
  private readonly input: Analog;
  private readonly pins: Digital[];
  private readonly onAlert: (() => void) | undefined;
  private inverted = false;
  private on = true;

  constructor(options: EcgSensorOptions) {
    const Input = options.sensor.io;
    this.input = new Input(options.sensor);
    this.pins = (options.leadsOff ?? []).map((pin) => {
      const Pin = pin.io;
      return new Pin(pin);
    });
    this.onAlert = options.onAlert;
  }

  /** `inverted` turns the signal over, for electrodes that are swapped. */
  configure(options: { inverted?: boolean }): void {
    if (options.inverted !== undefined) {
      this.inverted = options.inverted;
    }
  }

  sample(): EcgSample {
    let on = true;
    for (let i = 0; i < this.pins.length; i++) {
      if (this.pins[i].read()) {
        on = false;
      }
    }
    if (on !== this.on) {
      this.on = on;
      if (this.onAlert !== undefined) {
        this.onAlert();
      }
    }
    if (!on) {
      return {};
    }
    const shift = this.input.resolution - BITS;
    const reading = this.input.read();
    const value = shift >= 0 ? reading >> shift : reading << -shift;
    return { ecg: this.inverted ? (1 << BITS) - 1 - value : value };
  }

  close(): void {
    this.input.close();
    this.pins.forEach((pin) => {
      pin.close();
    });
  }
}
