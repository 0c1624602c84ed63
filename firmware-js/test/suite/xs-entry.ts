/** Runs one part of the suite on the Moddable module, which the script before it has loaded. */
import type { LedgerStorage } from '../../src/ledger.ts';
import type { KeyValueStorage } from '../../src/moddable/device.ts';
import type { Outbox, OutboxStorage } from '../../src/outbox.ts';
import type { SequenceLedger } from '../../src/sealer.ts';
import { keyValues } from './outbox-flash.ts';
import type { Power } from './outbox-flash.ts';
import type { Sdk, SuiteData } from './sdk.ts';
import { slotFlash } from './slot-flash.ts';
import { suite } from './suite.ts';

type Mozaik = Omit<Sdk, 'flash' | 'outbox'> & {
  Outbox: new (storage: OutboxStorage, device: Uint8Array, stream: number) => Outbox;
  keyValueOutbox: (storage: KeyValueStorage, samples: number) => OutboxStorage;
  NonceLedger: new (
    storage: LedgerStorage,
    block: undefined,
    isProvisioned: boolean,
  ) => SequenceLedger;
  provisionLedger: (storage: LedgerStorage) => void;
};
declare const mozaik: Mozaik;

export function runPart(part: number, data: SuiteData): void {
  const sdk: Sdk = {
    AsconAead128: mozaik.AsconAead128,
    Segmenter: mozaik.Segmenter,
    Sealer: mozaik.Sealer,
    Publisher: mozaik.Publisher,
    deviceId: mozaik.deviceId,
    epochKey: mozaik.epochKey,
    outbox: () => {
      const power: Power = { left: 0 };
      const storage = keyValues(power);
      return {
        start: () => new mozaik.Outbox(mozaik.keyValueOutbox(storage, 12), new Uint8Array(16), 0),
        cutAfter: (writes) => {
          power.left = writes;
        },
      };
    },
    flash: () =>
      slotFlash(
        (storage) => new mozaik.NonceLedger(storage, undefined, true),
        mozaik.provisionLedger,
      ),
  };
  suite[part].run(sdk, data);
}
