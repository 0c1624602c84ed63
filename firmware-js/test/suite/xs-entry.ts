/** Runs one part of the suite on the Moddable module, which the script before it has loaded. */
import type { LedgerStorage } from '../../src/ledger.ts';
import type { SequenceLedger } from '../../src/sealer.ts';
import type { Sdk, SuiteData } from './sdk.ts';
import { slotFlash } from './slot-flash.ts';
import { suite } from './suite.ts';

type Mozaik = Omit<Sdk, 'flash'> & {
  NonceLedger: new (storage: LedgerStorage) => SequenceLedger;
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
    flash: () => slotFlash((storage) => new mozaik.NonceLedger(storage)),
  };
  suite[part].run(sdk, data);
}
