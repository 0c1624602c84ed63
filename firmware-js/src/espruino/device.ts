/** Seals heartbeats on this board's flash, clock and chance, into whatever brings its samples away. */
import { deviceId } from '../keys.ts';
import { Sealer } from '../sealer.ts';
import type { EnvelopeSink } from '../sealer.ts';
import type { FlashArea, FlashModule } from './board.ts';
import { chooseCipher } from './cipher.ts';
import type { Speed } from './cipher.ts';
import type { EcgOptions } from './ecg.ts';
import { FlashLedger } from './flash-ledger.ts';
import type { BrokerOptions } from './net.ts';
import { randomBytes } from './random.ts';

export interface ConnectOptions extends Partial<BrokerOptions> {
  /** 16 bytes. */
  masterKey: Uint8Array;
  /** 32 bytes. */
  userId: Uint8Array;
  /** Stream number on this device, u16; 0 when left out. */
  stream?: number;
  /** Beats per epoch, for a board whose clock nobody sets. */
  epochBeats?: number;
  /** What is sealed; heartbeats when left out. */
  kind?: number;
  /** The analog front end; heartbeats come through `sealer` when left out. */
  ecg?: EcgOptions;
  /** Where the ledger is, when not in the last two pages of the free flash, see {@link provision}. */
  ledger?: number;
  /** Free flash that keeps samples over a power cut, by the module `mozaik-outbox`; RAM when left out. */
  keep?: FlashArea;
  /** The password that the store gave this device. */
  password?: string;
  /** The store has this sample on its disk. */
  onAcknowledged?: (sequence: number) => void;
  /** The store takes others but not this sample, which is no longer kept. */
  onRejected?: (sequence: number) => void;
  onDisconnected?: (reason: string) => void;
}

/** What brings samples away: the module `mozaik-mqtt` or `mozaik-ble`. */
export interface Transport extends EnvelopeSink {
  pending(): number;
  stop(): void;
}

export interface TransportModule {
  open(options: ConnectOptions, device: Uint8Array): Transport;
}

/** What keeps samples in flash until they are acknowledged: the module `mozaik-outbox`. */
export interface OutboxModule {
  open(options: ConnectOptions, device: Uint8Array, module: TransportModule): Transport;
}

/** What samples a heart and cuts its beats: the module `mozaik-ecg`. */
export interface SourceModule {
  /** Seals heartbeats until the function that it returns is called. */
  open(sealer: Sealer, options: EcgOptions): () => void;
}

export interface Device {
  /** Seals a beat that comes from elsewhere: `sealer.beat(window, timeMs)`. */
  sealer: Sealer;
  transport: Transport;
  /** What the cipher runs through, as the self-test found. */
  cipher: Speed;
  /** Ends everything and wipes the keys. */
  stop: () => void;
}

/** The ledger of a key, see {@link FlashLedger}, by default in the last two pages of the free flash. */
export function openLedger(masterKey: Uint8Array, address?: number, isNew?: boolean): FlashLedger {
  const flash = boardRequire('Flash') as FlashModule;
  let at = address;
  if (at === undefined) {
    const free = (flash.getFree() ?? [])[0] as FlashArea | undefined;
    const end = free ? free.addr + free.length : 0;
    const last = flash.getPage(end - 1);
    at = last ? end - 2 * last.length : -1;
    if (!free || at < free.addr) {
      throw new Error('nonce ledger: the board lists no two free pages of flash');
    }
  }
  return new FlashLedger(flash, at, deviceId(masterKey), isNew === true);
}

/**
 * Makes the nonce ledger of a new key, without which {@link connect} refuses to run. Once for each key:
 * a key whose ledger was lost must be replaced, not provisioned again.
 *
 * @param address of two pages of flash that nothing else uses and that are then erased; the last two that
 * the board lists as free when left out.
 * @throws Error when this key has a ledger there.
 */
export function provision(masterKey: Uint8Array, address?: number): void {
  openLedger(masterKey, address, true);
}

/**
 * Starts everything. With a `host` it publishes to the broker there, and the network has to be up;
 * without one it hands its heartbeats to whichever gateway connects over Bluetooth.
 */
export function connect(options: ConnectOptions): Device {
  const cipher = chooseCipher();
  const ledger = openLedger(options.masterKey, options.ledger);
  const keep = options.keep;
  if (keep && keep.addr < ledger.ends && ledger.begins < keep.addr + keep.length) {
    throw new Error('outbox: its flash is that of the nonce ledger');
  }
  const name = options.host === undefined ? 'mozaik-ble' : 'mozaik-mqtt';
  const module = boardRequire(name) as TransportModule;
  const id = deviceId(options.masterKey);
  const transport = keep
    ? (boardRequire('mozaik-outbox') as OutboxModule).open(options, id, module)
    : module.open(options, id);
  const sealer = new Sealer({
    masterKey: options.masterKey,
    userId: options.userId,
    stream: options.stream ?? 0,
    kind: options.kind,
    epochBeats: options.epochBeats,
    random: randomBytes,
    ledger: ledger,
    sink: transport,
  });
  const stopEcg =
    options.ecg === undefined
      ? () => {}
      : (boardRequire('mozaik-ecg') as SourceModule).open(sealer, options.ecg);
  return {
    sealer: sealer,
    transport: transport,
    cipher: cipher,
    stop: () => {
      stopEcg();
      transport.stop();
      sealer.close();
    },
  };
}
