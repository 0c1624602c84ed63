/**
 * The ECG front end: an AD8232, or a like amplifier, on an analog pin, sampled at 125 Hz.
 *
 * Where the board has `Waveform` the samples are taken by its own timer and come in buffers of half a
 * second; elsewhere by an interval of 8 ms. The amplifier raises one of two pins when an electrode is
 * loose: nothing is taken then, and detection starts anew when the electrodes are back.
 */
import { BEAT_RATE_HZ } from '@mozaik/protocol/envelope';
import type { Sealer } from '../sealer.ts';
import { Segmenter } from '../segmenter.ts';
import type { Pin } from './board.ts';

const SAMPLE_MS = 1000 / BEAT_RATE_HZ;
/** Half a second: the pins of the electrodes are looked at as often. */
const BUFFER_SAMPLES = 62;
/** Samples of an interval are brought to the 16 bits of `Waveform`, of which 12 are real. */
const FULL_SCALE = 4096;
const WAVEFORM_SHIFT = 4;

export interface EcgOptions {
  /** The amplifier's output. */
  pin: Pin;
  /** The amplifier's pins that are high while an electrode is loose. */
  leadsOff?: Pin[];
  /** Called when an electrode came off (false), or all are on again (true). */
  onLeads?: (on: boolean) => void;
  /** True for an interval instead of `Waveform`. */
  interval?: boolean;
}

/** Cuts and seals heartbeats until the function that it returns is called. */
export function startEcg(sealer: Sealer, options: EcgOptions): () => void {
  const segmenter = new Segmenter({
    onBeat: (window, timeMs) => {
      sealer.beat(window, timeMs);
    },
  });
  let on = true;
  const attached = (): boolean => {
    const pins = options.leadsOff ?? [];
    let now = true;
    for (let i = 0; i < pins.length; i++) {
      if (digitalRead(pins[i])) {
        now = false;
      }
    }
    if (now !== on) {
      on = now;
      segmenter.restart();
      if (options.onLeads !== undefined) {
        options.onLeads(on);
      }
    }
    return on;
  };
  if (options.interval) {
    const timer = setInterval(() => {
      if (attached()) {
        segmenter.push(Math.floor(analogRead(options.pin) * FULL_SCALE), Date.now());
      }
    }, SAMPLE_MS);
    return () => {
      clearInterval(timer);
    };
  }
  const input = new Waveform(BUFFER_SAMPLES, { doubleBuffer: true, bits: 16 });
  input.on('buffer', (buffer) => {
    if (attached()) {
      const end = Date.now();
      for (let i = 0; i < buffer.length; i++) {
        segmenter.push(buffer[i] >> WAVEFORM_SHIFT, end - (buffer.length - 1 - i) * SAMPLE_MS);
      }
    }
  });
  input.startInput(options.pin, BEAT_RATE_HZ, { repeat: true });
  return () => {
    input.stop();
  };
}
