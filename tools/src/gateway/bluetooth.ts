/**
 * Boards over Bluetooth Low Energy, with this machine's radio. The library for it has native parts that
 * not every platform can install, so it is loaded when it is asked for and is no dependency otherwise.
 */
import { MozaikError } from '@mozaik/protocol';
import { BLE_IN, BLE_OUT, BLE_SERVICE } from '@mozaik/firmware/ble';
import type { AcceptLink, LinkSource, PacketLink } from './link.ts';

/** A connection that a board does not complete within this time is given up, ms. */
const CONNECT_TIMEOUT_MS = 20_000;

/** What this uses of `@stoprocent/noble`, so that nothing else creeps in. */
export interface Noble {
  waitForPoweredOnAsync: (timeoutMs?: number) => Promise<void>;
  startScanningAsync: (services: string[], allowDuplicates: boolean) => Promise<void>;
  stopScanningAsync: () => Promise<void>;
  on: (event: 'discover', listener: (peripheral: Peripheral) => void) => unknown;
  removeAllListeners: (event: 'discover') => unknown;
}

export interface Peripheral {
  /** Address, or what the platform gives in its place. */
  id: string;
  connectAsync: () => Promise<void>;
  disconnectAsync: () => Promise<void>;
  once: (event: 'disconnect', listener: () => void) => unknown;
  discoverSomeServicesAndCharacteristicsAsync: (
    services: string[],
    characteristics: string[],
  ) => Promise<{ characteristics: Characteristic[] }>;
}

export interface Characteristic {
  uuid: string;
  on: (event: 'data', listener: (data: Uint8Array) => void) => unknown;
  subscribeAsync: () => Promise<void>;
  writeAsync: (data: Buffer, withoutResponse: boolean) => Promise<void>;
}

/** The library writes UUIDs without hyphens. */
const plain = (uuid: string): string => uuid.replaceAll('-', '');

const LIBRARY = '@stoprocent/noble';
/** The radio is switched on within this time, ms. */
const RADIO_TIMEOUT_MS = 10_000;

/** @throws MozaikError TOOL_MISSING */
export async function loadNoble(): Promise<Noble> {
  try {
    const module = (await import(LIBRARY)) as { default: Noble };
    return module.default;
  } catch (cause) {
    const detail = `Bluetooth needs the library ${LIBRARY}: run "npm install --no-save ${LIBRARY}@2"`;
    throw new MozaikError('TOOL_MISSING', detail, { cause });
  }
}

/**
 * Connects to every board near that offers our service, and again when one comes back.
 * @throws MozaikError PORT_MISSING when there is no radio or it is off
 */
export async function listenBluetooth(
  noble: Noble,
  accept: AcceptLink,
  onTrouble: (detail: string) => void,
): Promise<LinkSource> {
  try {
    await noble.waitForPoweredOnAsync(RADIO_TIMEOUT_MS);
  } catch (cause) {
    throw new MozaikError('PORT_MISSING', 'the Bluetooth radio is missing or off', { cause });
  }
  let closed = false;
  const connected = new Map<string, Peripheral>();
  // Some radios cannot scan and connect at once, so scanning stops for that.
  const scan = async (): Promise<void> => {
    if (!closed) await noble.startScanningAsync([plain(BLE_SERVICE)], true);
  };
  const meet = async (peripheral: Peripheral): Promise<void> => {
    connected.set(peripheral.id, peripheral);
    try {
      await noble.stopScanningAsync();
      const link = await within(CONNECT_TIMEOUT_MS, connect(peripheral));
      peripheral.once('disconnect', () => {
        connected.delete(peripheral.id);
        link.onClose();
      });
      accept(link);
    } catch (error) {
      connected.delete(peripheral.id);
      await peripheral.disconnectAsync().catch(() => undefined);
      onTrouble((error as Error).message);
    }
    await scan();
  };
  let work = Promise.resolve();
  noble.on('discover', (peripheral) => {
    if (closed || connected.has(peripheral.id)) return;
    connected.set(peripheral.id, peripheral);
    work = work.then(() => meet(peripheral)).catch((error: Error) => onTrouble(error.message));
  });
  await scan();
  return {
    close: async () => {
      closed = true;
      noble.removeAllListeners('discover');
      await work;
      await noble.stopScanningAsync();
      await Promise.all([...connected.values()].map((peripheral) => peripheral.disconnectAsync()));
    },
  };
}

async function connect(peripheral: Peripheral): Promise<PacketLink> {
  await peripheral.connectAsync();
  const { characteristics } = await peripheral.discoverSomeServicesAndCharacteristicsAsync(
    [plain(BLE_SERVICE)],
    [plain(BLE_OUT), plain(BLE_IN)],
  );
  const find = (uuid: string) => characteristics.find((has) => has.uuid === plain(uuid));
  const [from, to] = [find(BLE_OUT), find(BLE_IN)];
  if (from === undefined || to === undefined) {
    throw new MozaikError('BOARD_FAILED', `${peripheral.id} lacks a characteristic`);
  }
  let writing = Promise.resolve();
  const link: PacketLink = {
    name: `bluetooth ${peripheral.id}`,
    send: (packet) => {
      // With a response, one at a time; a board that has gone gets its answer after it comes back.
      writing = writing
        .then(() => to.writeAsync(Buffer.from(packet), false))
        .catch(() => undefined);
    },
    close: () => {
      void peripheral.disconnectAsync().catch(() => undefined);
    },
    onPacket: () => undefined,
    onClose: () => undefined,
  };
  from.on('data', (data) => link.onPacket(Uint8Array.from(data)));
  await from.subscribeAsync();
  return link;
}

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('the board does not answer')), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
