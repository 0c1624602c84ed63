/** The module `mozaik`: heartbeats in, sealed samples out. */
export { AsconAead128 } from '../ascon.ts';
export { deviceId, epochKey } from '../keys.ts';
export { Sealer } from '../sealer.ts';
export { chooseCipher } from './cipher.ts';
export { connect, openLedger, provision } from './device.ts';
export { FlashLedger } from './flash-ledger.ts';
