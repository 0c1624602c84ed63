/** The adapter for Node: sockets, files, randomness and time for the device code. */
import { randomFillSync } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import type { ConnectionOptions } from 'node:tls';
import { hex } from './bytes.ts';
import { crc32 } from './crc32.ts';
import { deviceId } from './keys.ts';
import { NonceLedger } from './ledger.ts';
import type { LedgerStorage } from './ledger.ts';
import type { ByteSocket } from './mqtt.ts';
import { Outbox } from './outbox.ts';
import type { OutboxStorage } from './outbox.ts';
import { Publisher } from './publisher.ts';
import type { PublisherOptions } from './publisher.ts';
import { HeartbeatSensor } from './sensor.ts';
import type { HeartbeatSensorOptions } from './sensor.ts';
import { sampleTopic } from './topic.ts';

const TICK_MS = 100;
const FLUSH_POLL_MS = 20;

export interface BrokerAddress {
  host: string;
  port: number;
  /** TLS options, for example `{ ca }`; plain TCP when left out. */
  tls?: ConnectionOptions;
}

/** Opens a TCP or TLS connection; what is written before it stands is sent when it does. */
export function openSocket(address: BrokerAddress): ByteSocket {
  const { host, port, tls } = address;
  const socket =
    tls === undefined ? connectTcp({ host, port }) : connectTls({ ...tls, host, port });
  socket.setNoDelay(true);
  const adapter: ByteSocket = {
    write: (bytes) => {
      socket.write(Buffer.from(bytes));
    },
    // `destroySoon` ends after what was written is out, and does not wait for the peer.
    close: () => {
      socket.destroySoon();
    },
    onData: () => {},
    onClose: () => {},
  };
  socket.on('data', (bytes: Buffer) => {
    adapter.onData(bytes);
  });
  // An error is always followed by 'close', which is all that the publisher has to know.
  socket.on('error', () => {});
  socket.on('close', () => {
    adapter.onClose();
  });
  return adapter;
}

/** Fills `bytes` from the operating system's generator. */
export function randomBytes(bytes: Uint8Array): void {
  randomFillSync(bytes);
}

/**
 * A nonce ledger in two files of `folder`, readable by the owner only, each written through to the
 * disk. Only one process may use a folder at a time.
 */
export function fileLedgerStorage(folder: string): LedgerStorage {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = (slot: number) => join(folder, `ledger-${slot}`);
  return {
    read: (slot) => (existsSync(path(slot)) ? readFileSync(path(slot)) : undefined),
    write: (slot, bytes) => {
      writeThrough(folder, path(slot), bytes);
    },
  };
}

/** The outbox's slots as files of `folder`, see {@link fileLedgerStorage}. */
export function fileOutbox(folder: string, samples: number): OutboxStorage {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = (slot: number) => join(folder, `outbox-${slot}`);
  return {
    slots: samples,
    blockSlots: 1,
    read: (slot) => (existsSync(path(slot)) ? readFileSync(path(slot)) : undefined),
    write: (slot, record) => {
      writeThrough(folder, path(slot), record);
    },
    discard: (slot) => {
      rmSync(path(slot), { force: true });
    },
    erase: () => {},
    checksum: (bytes) => crc32(bytes, bytes.length),
  };
}

function writeThrough(folder: string, path: string, bytes: Uint8Array): void {
  const created = !existsSync(path);
  const file = openSync(path, 'w', 0o600);
  try {
    writeSync(file, bytes);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  if (created) {
    syncFolder(folder);
  }
}

/** Makes a new file's name durable too. */
function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

export type RunSensorOptions = BrokerAddress &
  Omit<HeartbeatSensorOptions, 'clock' | 'random' | 'ledger' | 'sink'> &
  Omit<PublisherOptions, 'connect' | 'random' | 'topic' | 'clientId'> & {
    /** Folder of the nonce ledger, see {@link fileLedgerStorage}. */
    ledgerFolder: string;
    /** The device id in hexadecimal when left out. */
    clientId?: string;
    /** Keeps so many samples in the same folder until they are acknowledged; in RAM when left out. */
    keep?: number;
  };

export interface RunningSensor {
  sensor: HeartbeatSensor;
  publisher: Publisher;
  /** With `keep`. */
  outbox: Outbox | undefined;
  /** Waits until everything is acknowledged; false when that took longer than `timeoutMs`. */
  flush: (timeoutMs: number) => Promise<boolean>;
  /** Ends connection and timer, and wipes the keys. */
  close: () => void;
}

/**
 * Runs a heartbeat sensor in this process. Feed it with `sensor.beat` or `sensor.sample`.
 *
 * @throws Error when an option is out of range or the ledger is damaged.
 */
export function runSensor(options: RunSensorOptions): RunningSensor {
  // The publisher gets what is left, so that it never holds the master key.
  const { masterKey, userId, stream, epochBeats, ledgerFolder, keep, ...others } = options;
  const { host, port, tls, ...rest } = others;
  const device = deviceId(masterKey);
  const address = tls === undefined ? { host, port } : { host, port, tls };
  const outbox =
    keep === undefined ? undefined : new Outbox(fileOutbox(ledgerFolder, keep), device, stream);
  const publisher = new Publisher({
    ...rest,
    onAcknowledged: (sequence) => {
      outbox?.settle(sequence);
      rest.onAcknowledged?.(sequence);
    },
    onRejected: (sequence, envelope) => {
      outbox?.settle(sequence);
      rest.onRejected?.(sequence, envelope);
    },
    clientId: rest.clientId ?? hex(device),
    topic: sampleTopic(userId, device, stream),
    connect: () => openSocket(address),
    random: randomBytes,
  });
  const sensor = new HeartbeatSensor({
    masterKey,
    userId,
    stream,
    epochBeats,
    clock: Date.now,
    random: randomBytes,
    ledger: new NonceLedger(fileLedgerStorage(ledgerFolder)),
    sink: outbox ?? publisher,
  });
  outbox?.start(publisher);
  const tick = () => {
    publisher.tick(performance.now());
  };
  const timer = setInterval(tick, TICK_MS);
  tick();
  return {
    sensor,
    publisher,
    outbox,
    flush: async (timeoutMs) => {
      const deadline = performance.now() + timeoutMs;
      const waiting = outbox ?? publisher;
      while (waiting.pending() > 0 && performance.now() < deadline) {
        await sleep(FLUSH_POLL_MS);
      }
      return waiting.pending() === 0;
    },
    close: () => {
      clearInterval(timer);
      publisher.stop();
      sensor.close();
    },
  };
}
