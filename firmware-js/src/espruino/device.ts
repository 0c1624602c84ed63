/** Seals heartbeats on this board's flash, clock and chance, into whatever brings its samples away. */
import { deviceId } from '../keys.ts';
import { Sealer } from '../sealer.ts';
import type { EnvelopeSink } from '../sealer.ts';
import { BitmapLedger } from './bitmap-ledger.ts';
import type { FlashArea, Storage } from './board.ts';
import { chooseCipher } from './cipher.ts';
import type { Speed } from './cipher.ts';
import type { EcgOptions } from './ecg.ts';
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

/**
 * Starts everything. With a `host` it publishes to the broker there, and the network has to be up;
 * without one it hands its heartbeats to whichever gateway connects over Bluetooth.
 */
export function connect(options: ConnectOptions): Device {
  const cipher = chooseCipher();
  const name = options.host === undefined ? 'mozaik-ble' : 'mozaik-mqtt';
  const module = boardRequire(name) as TransportModule;
  const id = deviceId(options.masterKey);
  const transport = options.keep
    ? (boardRequire('mozaik-outbox') as OutboxModule).open(options, id, module)
    : module.open(options, id);
  const sealer = new Sealer({
    masterKey: options.masterKey,
    userId: options.userId,
    stream: options.stream ?? 0,
    kind: options.kind,
    epochBeats: options.epochBeats,
    random: randomBytes,
    ledger: new BitmapLedger(boardRequire('Storage') as Storage),
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
