/** The module `mozaik`: heartbeats in, sealed samples out. */
export { AsconAead128 } from '../ascon.ts';
export { deviceId, epochKey } from '../keys.ts';
export { Sealer } from '../sealer.ts';
export { BitmapLedger } from './bitmap-ledger.ts';
export { chooseCipher } from './cipher.ts';
export { connect } from './device.ts';
