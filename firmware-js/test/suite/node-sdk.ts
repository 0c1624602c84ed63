import { AsconAead128 } from '../../src/ascon.ts';
import { BeatSegmenter } from '../../src/beat.ts';
import { deviceId, epochKey } from '../../src/keys.ts';
import { NonceLedger } from '../../src/ledger.ts';
import { Publisher } from '../../src/publisher.ts';
import { HeartbeatSensor } from '../../src/sensor.ts';
import type { Sdk } from './sdk.ts';
import { slotFlash } from './slot-flash.ts';

/** The sources as they are. */
export const nodeSdk: Sdk = {
  AsconAead128,
  BeatSegmenter,
  HeartbeatSensor,
  Publisher,
  deviceId,
  epochKey,
  flash: () => slotFlash((storage) => new NonceLedger(storage)),
};
