/** The module `mozaik`: the sensor, from electrodes to sealed samples. */
export { AsconAead128 } from '../ascon.ts';
export { BeatSegmenter } from '../beat.ts';
export { deviceId, epochKey } from '../keys.ts';
export { HeartbeatSensor } from '../sensor.ts';
export { BitmapLedger } from './bitmap-ledger.ts';
export { chooseCipher } from './cipher.ts';
export { connect } from './device.ts';
