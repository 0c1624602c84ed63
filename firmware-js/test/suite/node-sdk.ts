import { AsconAead128 } from '../../src/ascon.ts';
import { deviceId, epochKey } from '../../src/keys.ts';
import { NonceLedger } from '../../src/ledger.ts';
import { Publisher } from '../../src/publisher.ts';
import { Sealer } from '../../src/sealer.ts';
import { Segmenter } from '../../src/segmenter.ts';
import type { Sdk } from './sdk.ts';
import { slotFlash } from './slot-flash.ts';

/** The sources as they are. */
export const nodeSdk: Sdk = {
  AsconAead128,
  Publisher,
  Sealer,
  Segmenter,
  deviceId,
  epochKey,
  flash: () => slotFlash((storage) => new NonceLedger(storage)),
};
