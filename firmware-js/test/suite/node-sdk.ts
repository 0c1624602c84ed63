import { AsconAead128 } from '../../src/ascon.ts';
import { deviceId, epochKey } from '../../src/keys.ts';
import { NonceLedger, provisionLedger } from '../../src/ledger.ts';
import { keyValueOutbox } from '../../src/moddable/outbox.ts';
import { Outbox } from '../../src/outbox.ts';
import { Publisher } from '../../src/publisher.ts';
import { Sealer } from '../../src/sealer.ts';
import { Segmenter } from '../../src/segmenter.ts';
import { keyValues } from './outbox-flash.ts';
import type { Power } from './outbox-flash.ts';
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
  outbox: () => {
    const power: Power = { left: 0 };
    const storage = keyValues(power);
    return {
      start: () => new Outbox(keyValueOutbox(storage, 12), new Uint8Array(16), 0),
      cutAfter: (writes) => {
        power.left = writes;
      },
    };
  },
  flash: () => slotFlash((storage) => new NonceLedger(storage, undefined, true), provisionLedger),
};
