/** Runs one part of the suite on the Espruino modules, which the script before it has loaded. */
import type { FlashArea, FlashModule } from '../../src/espruino/board.ts';
import type { FlashLedger } from '../../src/espruino/flash-ledger.ts';
import type { FlashPages } from '../../src/espruino/flash-pages.ts';
import type { Outbox } from '../../src/outbox.ts';
import { flashPages, OUTBOX_PAGE_BYTES, OUTBOX_PAGES } from './outbox-flash.ts';
import type { Power } from './outbox-flash.ts';
import type { Sdk, SuiteData } from './sdk.ts';
import { suite } from './suite.ts';

type Mozaik = Omit<Sdk, 'Publisher' | 'Segmenter' | 'flash' | 'outbox'> & {
  FlashLedger: new (
    flash: FlashModule,
    address: number,
    device: Uint8Array,
    isNew: boolean,
  ) => FlashLedger;
};
declare const mozaik: Mozaik;
declare const ecg: Pick<Sdk, 'Segmenter'>;
declare const mqtt: Pick<Sdk, 'Publisher'>;
declare const outbox: {
  Outbox: new (pages: FlashPages, device: Uint8Array, stream: number) => Outbox;
  FlashPages: new (flash: FlashModule, area: FlashArea) => FlashPages;
};

export function runPart(part: number, data: SuiteData): void {
  const sdk: Sdk = {
    AsconAead128: mozaik.AsconAead128,
    Segmenter: ecg.Segmenter,
    Sealer: mozaik.Sealer,
    Publisher: mqtt.Publisher,
    deviceId: mozaik.deviceId,
    epochKey: mozaik.epochKey,
    outbox: () => {
      const power: Power = { left: 0 };
      const flash = flashPages(power);
      const area = { addr: 0, length: OUTBOX_PAGE_BYTES * OUTBOX_PAGES };
      return {
        start: () => new outbox.Outbox(new outbox.FlashPages(flash, area), new Uint8Array(16), 0),
        cutAfter: (writes) => {
          power.left = writes;
        },
      };
    },
    flash: () => {
      const power: Power = { left: -1 };
      const flash = flashPages(power);
      const device = new Uint8Array(16);
      new mozaik.FlashLedger(flash, 0, device, true);
      return {
        start: () => new mozaik.FlashLedger(flash, 0, device, false),
        cutAfter: (writes) => {
          power.left = writes;
        },
      };
    },
  };
  suite[part].run(sdk, data);
}
