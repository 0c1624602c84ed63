/** Runs one part of the suite on the Espruino modules, which the script before it has loaded. */
import type { BitmapLedger } from '../../src/espruino/bitmap-ledger.ts';
import type { Storage } from '../../src/espruino/board.ts';
import { norFlash } from './nor-flash.ts';
import type { Sdk, SuiteData } from './sdk.ts';
import { suite } from './suite.ts';

type Mozaik = Omit<Sdk, 'Publisher' | 'Segmenter' | 'flash'> & {
  BitmapLedger: new (storage: Storage) => BitmapLedger;
};
declare const mozaik: Mozaik;
declare const ecg: Pick<Sdk, 'Segmenter'>;
declare const mqtt: Pick<Sdk, 'Publisher'>;

export function runPart(part: number, data: SuiteData): void {
  const sdk: Sdk = {
    AsconAead128: mozaik.AsconAead128,
    Segmenter: ecg.Segmenter,
    Sealer: mozaik.Sealer,
    Publisher: mqtt.Publisher,
    deviceId: mozaik.deviceId,
    epochKey: mozaik.epochKey,
    flash: () => norFlash((storage) => new mozaik.BitmapLedger(storage)),
  };
  suite[part].run(sdk, data);
}
