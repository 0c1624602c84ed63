/**
 * Brings samples to the broker, each at least once, over connections that come and go.
 *
 * Samples wait in a bounded queue until the broker acknowledges them. When the queue is full a new
 * sample is refused and its owner told; nothing that was taken is dropped silently. After a reconnect
 * what was not acknowledged is sent again, oldest first, marked as a repetition; the store knows
 * repetitions by their sequence number.
 *
 * MQTT 3.1.1 has no negative acknowledgement: a broker that refuses a message closes the connection.
 * Sent again for ever, one such sample would block all that follow. So after a connection was lost
 * samples go out one at a time until one is acknowledged, and a sample that was alone in flight when
 * the broker closed {@link STRIKES} times is postponed. An outage looks the same, therefore it is only
 * suspected. Once the broker has accepted another sample, the suspect is sent once more, alone; if the
 * broker closes again, it is given to `onRejected`. While the broker accepts nothing, nothing is
 * rejected.
 */
import { BEAT_ENVELOPE_BYTES } from '@mozaik/protocol/envelope';
import { ascii, getU32, hide } from './bytes.ts';
import { connectPacket, MqttClient } from './mqtt.ts';
import type { ByteSocket, MqttIdentity, MqttOptions } from './mqtt.ts';

/** A connection that publishes, see `MqttClient`. */
export interface PublishClient {
  start(nowMs: number): void;
  publish(topic: Uint8Array, payload: Uint8Array, packetId: number, again: boolean): void;
  tick(nowMs: number): void;
  close(): void;
}

export interface PublisherOptions {
  /** Opens a connection to the broker; may throw. Not needed with `client`. */
  connect?: (() => ByteSocket) | undefined;
  /** The platform's own MQTT client instead of ours over a byte socket. */
  client?: ((events: MqttOptions) => PublishClient) | undefined;
  /** Client id, user name and password: ASCII, see `MqttIdentity`. */
  clientId: string;
  username?: string | undefined;
  password?: string | undefined;
  /** {@link KEEP_ALIVE_SECONDS} when left out. */
  keepAliveSeconds?: number | undefined;
  /** Topic of every sample, see `sampleTopic`. */
  topic: string;
  /** Fills its argument with random bytes; spreads out reconnects, needs not be secret. */
  random: (bytes: Uint8Array) => void;
  /** Samples kept at most, 1 to 65535; {@link QUEUE_CAPACITY} when left out. */
  capacity?: number | undefined;
  /** Samples sent and not yet acknowledged at most; {@link IN_FLIGHT} when left out. */
  inFlight?: number | undefined;
  /** The broker has stored this sample. */
  onAcknowledged?: ((sequence: number) => void) | undefined;
  /**
   * The broker accepts other samples but not this one, which is no longer kept. The envelope is only
   * valid during the call.
   */
  onRejected?: ((sequence: number, envelope: Uint8Array) => void) | undefined;
  /** A connection was lost or refused; another one follows by itself. */
  onDisconnected?: ((reason: string) => void) | undefined;
}

export const KEEP_ALIVE_SECONDS = 60;
/** About half a minute of heartbeats in 7.5 KB. */
export const QUEUE_CAPACITY = 32;
export const IN_FLIGHT = 8;
/** Closed connections after which a sample is suspected of causing them. */
export const STRIKES = 5;
/** First and longest pause between connections, ms; each pause is between half of it and all. */
export const MIN_BACKOFF_MS = 1000;
export const MAX_BACKOFF_MS = 60000;
/** Patience for an acknowledgement, ms: MQTT allows sending again only over a new connection. */
export const ACKNOWLEDGE_TIMEOUT_MS = 30000;

/** Offset of the sequence number in an envelope. */
const SEQUENCE_AT = 16;

const WAITING = 0;
const SENT = 1;
const POSTPONED = 2;
const DONE = 3;

export class Publisher {
  declare private readonly options: PublisherOptions;
  private readonly topic: Uint8Array;
  private readonly capacity: number;
  private readonly maxInFlight: number;

  // The queue is a ring of slots. A sample keeps its MQTT packet id when it is sent again. Ids go round
  // all 65,535, so that a late second PUBACK cannot acknowledge the next sample in the same slot.
  private readonly envelopes: Uint8Array;
  private readonly state: Uint8Array;
  private readonly sentBefore: Uint8Array;
  private readonly strikes: Uint8Array;
  private readonly packetIds: Uint16Array;
  private lastPacketId = 0;
  private head = 0;
  /** Slots from the head on, including those that are done behind one that is not. */
  private used = 0;

  /** Samples that {@link offer} has refused. */
  refused = 0;
  private live = 0;
  private inFlight = 0;
  private suspects = 0;
  /** After a loss: one at a time until the next acknowledgement. */
  private cautious = false;

  private client: PublishClient | undefined = undefined;
  private connected = false;
  private stopped = false;
  private failures = 0;
  // Time is the sum of the clock's forward steps: a clock that is set back must not delay anything.
  private now = 0;
  private clock = -1;
  private retryAt = 0;
  private progressAt = 0;

  /** @throws Error when an option is out of its range. */
  constructor(options: PublisherOptions) {
    this.capacity = options.capacity ?? QUEUE_CAPACITY;
    this.maxInFlight = options.inFlight ?? IN_FLIGHT;
    if (!(this.capacity >= 1 && this.capacity <= 65535 && this.maxInFlight >= 1)) {
      throw new Error('publisher: capacity or in-flight limit is out of range');
    }
    hide(this, 'options', options);
    // Checked now: a connection that can never be made must not look like an outage.
    connectPacket(this.identity()).fill(0);
    this.topic = ascii(options.topic);
    this.envelopes = new Uint8Array(this.capacity * BEAT_ENVELOPE_BYTES);
    this.state = new Uint8Array(this.capacity);
    this.sentBefore = new Uint8Array(this.capacity);
    this.strikes = new Uint8Array(this.capacity);
    this.packetIds = new Uint16Array(this.capacity);
  }

  /** Samples that are kept because the broker has not acknowledged them. */
  pending(): number {
    return this.live;
  }

  /**
   * Takes a copy of a sealed sample to publish. Returns false, and keeps nothing, when the queue is
   * full or the publisher stopped; {@link refused} counts it.
   *
   * @param envelope {@link BEAT_ENVELOPE_BYTES} bytes.
   */
  offer(envelope: Uint8Array): boolean {
    if (envelope.length !== BEAT_ENVELOPE_BYTES) {
      throw new Error('publisher: an envelope has a wrong length');
    }
    if (this.used === this.capacity || this.stopped) {
      this.refused++;
      return false;
    }
    this.append(envelope, 0);
    this.pump();
    return true;
  }

  /**
   * Lets time pass: connects, sends, notices broken connections. To be called about once a second.
   *
   * @param nowMs milliseconds of any clock.
   */
  tick(nowMs: number): void {
    if (this.stopped) {
      return;
    }
    if (this.clock >= 0 && nowMs > this.clock) {
      this.now += nowMs - this.clock;
    }
    this.clock = nowMs;
    if (this.client === undefined) {
      if (this.now >= this.retryAt) {
        this.open();
      }
    } else if (this.inFlight > 0 && this.now - this.progressAt >= ACKNOWLEDGE_TIMEOUT_MS) {
      this.client.close();
      this.lost('the broker does not acknowledge', false);
    } else {
      this.client.tick(this.now);
    }
  }

  /** Ends the connection for good. What is pending stays available to {@link snapshot}. */
  stop(): void {
    this.stopped = true;
    if (this.client !== undefined) {
      this.client.close();
      this.client = undefined;
      this.connected = false;
    }
  }

  /** All samples that are not acknowledged, oldest first, one after the other: ciphertexts only. */
  snapshot(): Uint8Array {
    const out = new Uint8Array(this.live * BEAT_ENVELOPE_BYTES);
    let at = 0;
    for (let i = 0; i < this.used; i++) {
      const slot = (this.head + i) % this.capacity;
      if (this.state[slot] !== DONE) {
        out.set(this.envelope(slot), at);
        at += BEAT_ENVELOPE_BYTES;
      }
    }
    return out;
  }

  /**
   * Appends the samples of a {@link snapshot} of an earlier run.
   *
   * @throws Error when it is not whole or does not fit; nothing is taken then.
   */
  restore(snapshot: Uint8Array): void {
    const count = snapshot.length / BEAT_ENVELOPE_BYTES;
    if (count !== Math.floor(count) || count > this.capacity - this.used) {
      throw new Error('publisher: the snapshot is not whole or does not fit');
    }
    for (let i = 0; i < count; i++) {
      const at = i * BEAT_ENVELOPE_BYTES;
      this.append(snapshot.subarray(at, at + BEAT_ENVELOPE_BYTES), 1);
    }
    this.pump();
  }

  private append(envelope: Uint8Array, sentBefore: number): void {
    const slot = (this.head + this.used) % this.capacity;
    this.envelopes.set(envelope, slot * BEAT_ENVELOPE_BYTES);
    this.state[slot] = WAITING;
    this.sentBefore[slot] = sentBefore;
    this.strikes[slot] = 0;
    do {
      this.lastPacketId = this.lastPacketId === 65535 ? 1 : this.lastPacketId + 1;
    } while (this.slotOf(this.lastPacketId) >= 0);
    this.packetIds[slot] = this.lastPacketId;
    this.used++;
    this.live++;
  }

  /** The slot of the kept sample with this packet id, or -1. */
  private slotOf(packetId: number): number {
    for (let i = 0; i < this.used; i++) {
      const slot = (this.head + i) % this.capacity;
      if (this.packetIds[slot] === packetId && this.state[slot] !== DONE) {
        return slot;
      }
    }
    return -1;
  }

  private envelope(slot: number): Uint8Array {
    const at = slot * BEAT_ENVELOPE_BYTES;
    return this.envelopes.subarray(at, at + BEAT_ENVELOPE_BYTES);
  }

  private identity(): MqttIdentity {
    const options = this.options;
    return {
      clientId: options.clientId,
      username: options.username,
      password: options.password,
      keepAliveSeconds: options.keepAliveSeconds ?? KEEP_ALIVE_SECONDS,
    };
  }

  private open(): void {
    try {
      this.client = this.newClient();
      this.client.start(this.now);
    } catch {
      this.lost('no connection could be opened', false);
    }
  }

  private newClient(): PublishClient {
    const events: MqttOptions = {
      identity: this.identity(),
      onConnected: () => {
        this.connected = true;
        this.reconsider();
        this.pump();
      },
      onPublished: (packetId) => {
        this.acknowledge(this.slotOf(packetId));
      },
      onClosed: (reason, byPeer) => {
        this.lost(reason, byPeer);
      },
    };
    const options = this.options;
    if (options.client !== undefined) {
      return options.client(events);
    }
    if (options.connect === undefined) {
      throw new Error('publisher: nothing to connect with');
    }
    return new MqttClient(options.connect(), events);
  }

  private lost(reason: string, byPeer: boolean): void {
    const accused = byPeer && this.connected && this.inFlight === 1;
    this.client = undefined;
    this.connected = false;
    this.cautious = this.cautious || this.inFlight > 0;
    this.inFlight = 0;
    for (let i = 0; i < this.used; i++) {
      const slot = (this.head + i) % this.capacity;
      if (this.state[slot] === SENT) {
        this.state[slot] = WAITING;
        if (accused) {
          this.strike(slot);
        }
      }
    }
    this.advance();
    this.failures++;
    this.retryAt = this.now + this.backoff();
    if (this.options.onDisconnected !== undefined) {
      this.options.onDisconnected(reason);
    }
  }

  private strike(slot: number): void {
    if (this.strikes[slot] === 0) {
      this.suspects++;
    }
    this.strikes[slot]++;
    if (this.strikes[slot] === STRIKES) {
      this.state[slot] = POSTPONED;
      // The next sample is another question: several suspects in a row must not add up their pauses.
      this.failures = 0;
    } else if (this.strikes[slot] > STRIKES) {
      this.release(slot);
      if (this.options.onRejected !== undefined) {
        const envelope = this.envelope(slot);
        this.options.onRejected(getU32(envelope, SEQUENCE_AT), envelope);
      }
    }
  }

  /** When only suspects are left the broker has accepted nothing else: they start over. */
  private reconsider(): void {
    for (let i = 0; i < this.used; i++) {
      if (this.state[(this.head + i) % this.capacity] === WAITING) {
        return;
      }
    }
    this.recall();
    this.strikes.fill(0);
    this.suspects = 0;
  }

  /** Lets postponed samples be sent again. */
  private recall(): void {
    for (let i = 0; i < this.used; i++) {
      const slot = (this.head + i) % this.capacity;
      if (this.state[slot] === POSTPONED) {
        this.state[slot] = WAITING;
      }
    }
  }

  private acknowledge(slot: number): void {
    if (slot < 0 || this.state[slot] !== SENT) {
      return;
    }
    const sequence = getU32(this.envelope(slot), SEQUENCE_AT);
    this.inFlight--;
    this.release(slot);
    this.advance();
    this.cautious = false;
    this.failures = 0;
    this.progressAt = this.now;
    if (this.suspects > 0) {
      this.recall();
    }
    if (this.options.onAcknowledged !== undefined) {
      this.options.onAcknowledged(sequence);
    }
    this.pump();
  }

  private release(slot: number): void {
    this.state[slot] = DONE;
    this.live--;
    if (this.strikes[slot] > 0) {
      this.strikes[slot] = 0;
      this.suspects--;
    }
  }

  private advance(): void {
    while (this.used > 0 && this.state[this.head] === DONE) {
      this.head = (this.head + 1) % this.capacity;
      this.used--;
    }
  }

  /** Sends what may be sent, oldest first. */
  private pump(): void {
    const limit = this.cautious || this.suspects > 0 ? 1 : this.maxInFlight;
    for (let i = 0; i < this.used; i++) {
      if (this.client === undefined || !this.connected || this.inFlight >= limit) {
        return;
      }
      const slot = (this.head + i) % this.capacity;
      if (this.state[slot] === WAITING) {
        if (this.inFlight === 0) {
          this.progressAt = this.now;
        }
        const again = this.sentBefore[slot] !== 0;
        this.state[slot] = SENT;
        this.sentBefore[slot] = 1;
        this.inFlight++;
        this.client.publish(this.topic, this.envelope(slot), this.packetIds[slot], again);
      }
    }
  }

  /** Exponential backoff with jitter, so that boards do not all return at once after an outage. */
  private backoff(): number {
    const ceiling = Math.min(MAX_BACKOFF_MS, MIN_BACKOFF_MS * Math.pow(2, this.failures - 1));
    const bytes = new Uint8Array(2);
    this.options.random(bytes);
    return (ceiling * (65536 + 256 * bytes[0] + bytes[1])) / 131072;
  }
}
