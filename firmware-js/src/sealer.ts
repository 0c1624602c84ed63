/**
 * Seals samples, heartbeat windows above all, into envelopes.
 *
 * Each one gets a sequence number from the nonce ledger and is sealed under the key of its epoch.
 * The nonce is stream, sequence number and boot salt, whatever the epoch, so that it is unique on
 * this device for ever: a clock that is wrong or steps back labels samples wrongly but endangers no
 * key. The boot salt covers what a ledger cannot see, its storage being copied or restored from a
 * backup.
 */
import {
  ASSOCIATED_DATA_BYTES,
  BEAT_ENVELOPE_BYTES,
  BEAT_SAMPLES,
  BOOT_SALT_BYTES,
  HEADER_BYTES,
  KIND_ECG_BEAT,
  SUITE_ASCON_AEAD128,
  writeHeader,
} from '@mozaik/protocol/envelope';
import type { EnvelopeHeader } from '@mozaik/protocol/envelope';
import { AsconAead128, KEY_BYTES } from './ascon.ts';
import { hide } from './bytes.ts';
import { deviceId, epochKey, epochOf, USER_ID_BYTES } from './keys.ts';

/** Where sealed samples go, for example a `Publisher`. */
export interface EnvelopeSink {
  /** Takes a copy of the envelope, or returns false when it cannot. */
  offer(envelope: Uint8Array): boolean;
}

/** Gives out sequence numbers that never repeat, for example a `NonceLedger`. */
export interface SequenceLedger {
  /** The next number, a u32; throws when it cannot be one that was never given out. */
  next(): number;
}

export interface SealerOptions {
  /** 16 bytes; copied. */
  masterKey: Uint8Array;
  /** 32 bytes. */
  userId: Uint8Array;
  /** Stream number on this device, u16. */
  stream: number;
  /** Fills its argument with random bytes from the best source that the board has. */
  random: (bytes: Uint8Array) => void;
  ledger: SequenceLedger;
  sink: EnvelopeSink;
  /** What the samples are; heartbeats, {@link KIND_ECG_BEAT}, when left out. */
  kind?: number | undefined;
  /** Counts epochs by so many sequence numbers each instead of by time, for a board without a date. */
  epochBeats?: number | undefined;
}

export class Sealer {
  /** This device's 16-byte id. */
  readonly deviceId: Uint8Array;
  declare private readonly masterKey: Uint8Array;
  /** Key of the epoch `header.epoch`, once `hasKey`. */
  declare private readonly key: Uint8Array;
  private hasKey = false;
  private closed = false;
  private readonly userId: Uint8Array;
  private readonly sink: EnvelopeSink;
  private readonly beatsPerEpoch: number;
  private readonly ledger: SequenceLedger;
  private readonly cipher = new AsconAead128();
  private readonly header: EnvelopeHeader;
  private readonly envelope: Uint8Array;
  // Views of the envelope: associated data, nonce, and ciphertext with tag.
  private readonly associatedData: Uint8Array;
  private readonly nonce: Uint8Array;
  private readonly sealed: Uint8Array;

  /** @throws Error on a wrong length or range. */
  constructor(options: SealerOptions) {
    if (options.masterKey.length !== KEY_BYTES || options.userId.length !== USER_ID_BYTES) {
      throw new Error('sensor: the master key has 16 bytes and the user id 32');
    }
    this.beatsPerEpoch = options.epochBeats ?? 0;
    if (!(this.beatsPerEpoch >= 0 && this.beatsPerEpoch === Math.floor(this.beatsPerEpoch))) {
      throw new Error('sensor: beats per epoch are a whole number');
    }
    const masterKey = new Uint8Array(KEY_BYTES);
    masterKey.set(options.masterKey);
    hide(this, 'masterKey', masterKey);
    hide(this, 'key', new Uint8Array(KEY_BYTES));
    this.userId = new Uint8Array(USER_ID_BYTES);
    this.userId.set(options.userId);
    this.deviceId = deviceId(masterKey);
    this.sink = options.sink;
    this.ledger = options.ledger;
    const boot = new Uint8Array(BOOT_SALT_BYTES);
    options.random(boot);
    this.header = {
      suite: SUITE_ASCON_AEAD128,
      kind: options.kind ?? KIND_ECG_BEAT,
      epoch: 0,
      time: 0,
      stream: options.stream,
      sequence: 0,
      boot: boot,
    };
    this.envelope = new Uint8Array(BEAT_ENVELOPE_BYTES);
    this.associatedData = this.envelope.subarray(0, ASSOCIATED_DATA_BYTES);
    this.nonce = this.envelope.subarray(ASSOCIATED_DATA_BYTES, HEADER_BYTES);
    this.sealed = this.envelope.subarray(HEADER_BYTES);
    writeHeader(this.envelope, this.header);
  }

  /**
   * Seals one heartbeat and hands it to the sink.
   *
   * @param window {@link BEAT_SAMPLES} bytes, see `context.ts`.
   * @param timeMs time of the R peak, ms since 1970.
   * @returns its sequence number, or -1 when the sink was full and the beat is lost.
   * @throws Error on a wrong length or time, when closed, or when the ledger refuses.
   */
  beat(window: Uint8Array, timeMs: number): number {
    if (this.closed) {
      throw new Error('sensor: closed');
    }
    if (window.length !== BEAT_SAMPLES) {
      throw new Error('sensor: a heartbeat has 187 samples');
    }
    const header = this.header;
    const time = Math.floor(timeMs);
    const sequence = this.ledger.next();
    const epoch =
      this.beatsPerEpoch > 0 ? Math.floor(sequence / this.beatsPerEpoch) : epochOf(time);
    if (!this.hasKey || epoch !== header.epoch) {
      this.changeEpoch(epoch);
    }
    header.time = time;
    header.sequence = sequence;
    writeHeader(this.envelope, header);
    this.cipher.encrypt(this.key, this.nonce, this.associatedData, window, this.sealed);
    return this.sink.offer(this.envelope) ? sequence : -1;
  }

  /** Wipes the keys; the sensor cannot be used any more. */
  close(): void {
    this.closed = true;
    this.masterKey.fill(0);
    this.key.fill(0);
  }

  private changeEpoch(epoch: number): void {
    const header = this.header;
    this.hasKey = false;
    const key = epochKey(this.masterKey, this.userId, this.deviceId, header.stream, epoch);
    this.key.set(key);
    key.fill(0);
    header.epoch = epoch;
    this.hasKey = true;
  }
}
