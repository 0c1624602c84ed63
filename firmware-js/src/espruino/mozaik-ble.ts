/** The module `mozaik-ble`, for boards that only have Bluetooth: Puck.js, Bangle.js 2, Pixl.js. */
import { BleLink } from './ble.ts';
import type { ConnectOptions, Transport } from './device.ts';

/** Hands samples to whichever gateway connects. */
export function open(options: ConnectOptions, device: Uint8Array): Transport {
  return new BleLink(device, options);
}
