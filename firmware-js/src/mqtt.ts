/**
 * A minimal MQTT 3.1.1 client that only publishes, with QoS 1, over any byte socket.
 *
 * A publisher that subscribes to nothing can be sent three kinds of packet: CONNACK, PUBACK and
 * PINGRESP. All have a fixed length of at most four bytes, so anything else ends the connection, and
 * a broker cannot make the board hold more than four bytes.
 *
 * The core has no timers and no clock: the owner calls {@link MqttClient.tick}.
 */
import { ascii, hide } from './bytes.ts';

/** A byte stream to the broker, made by the board's adapter. */
export interface ByteSocket {
  /**
   * Sends or queues `bytes`, also while the connection is still being made. The buffer is reused
   * after the call, so an adapter that queues must copy.
   */
  write(bytes: Uint8Array): void;
  /** Ends the connection. */
  close(): void;
  /** Set by the client; the adapter calls it with received bytes, split anywhere. */
  onData: (bytes: Uint8Array) => void;
  /** Set by the client; the adapter calls it when the connection has ended or was never made. */
  onClose: () => void;
}

/** Who connects, and how long the broker waits for a sign of life. */
export interface MqttIdentity {
  /** 1 to 65535 ASCII characters. */
  clientId: string;
  username?: string | undefined;
  /** ASCII; needs a username. */
  password?: string | undefined;
  /** Longest silence, seconds, 1 to 65535. A dead connection is noticed within 1.5 times this. */
  keepAliveSeconds: number;
}

export interface MqttOptions {
  identity: MqttIdentity;
  /** The broker has accepted the connection. */
  onConnected: () => void;
  /** The broker has taken responsibility for the packet with this id. */
  onPublished: (packetId: number) => void;
  /**
   * The connection is over; called exactly once unless {@link MqttClient.close} ended it. `byPeer`
   * tells that the other side or the network ended it rather than this client.
   */
  onClosed: (reason: string, byPeer: boolean) => void;
}

/** Patience for the broker's CONNACK, ms: a peer that accepts and stays silent is given up. */
export const CONNECT_TIMEOUT_MS = 10000;

const CONNECT = 0x10;
const CONNACK = 0x20;
const PUBLISH = 0x30;
const PUBACK = 0x40;
const PINGREQ = 0xc0;
const PINGRESP = 0xd0;
const DISCONNECT = 0xe0;
const QOS_1 = 0x02;
const DUP = 0x08;
const CLEAN_SESSION = 0x02;
const HAS_PASSWORD = 0x40;
const HAS_USERNAME = 0x80;
const PROTOCOL_LEVEL = 4;
/** MQTT 3.1.1 section 2.2.3: four length bytes of seven bits. */
const MAX_REMAINING_LENGTH = 0xfffffff;
/** Longest inbound packet that a publisher can be sent. */
const MAX_INBOUND_BYTES = 4;
/** Why a broker refuses, by CONNACK return code (section 3.2.2.3). */
const REFUSALS = [
  'accepted',
  'unacceptable protocol version',
  'client identifier rejected',
  'server unavailable',
  'bad user name or password',
  'not authorised',
];

function lengthBytes(remaining: number): number {
  return remaining < 0x80 ? 1 : remaining < 0x4000 ? 2 : remaining < 0x200000 ? 3 : 4;
}

/** Writes the variable-length "remaining length" and returns the offset after it. */
function putLength(out: Uint8Array, at: number, remaining: number): number {
  while (remaining >= 0x80) {
    out[at++] = (remaining & 0x7f) | 0x80;
    remaining = remaining >> 7;
  }
  out[at++] = remaining;
  return at;
}

/** Writes a length-prefixed string and returns the offset after it. */
function putString(out: Uint8Array, at: number, text: Uint8Array): number {
  if (text.length > 0xffff) {
    throw new Error('MQTT: a string is longer than 65535 bytes');
  }
  out[at] = text.length >> 8;
  out[at + 1] = text.length;
  out.set(text, at + 2);
  return at + 2 + text.length;
}

/**
 * The CONNECT packet of a clean session without a will. It holds the password.
 *
 * @throws Error when an option is out of its range.
 */
export function connectPacket(identity: MqttIdentity): Uint8Array {
  if (
    !(identity.keepAliveSeconds >= 1 && identity.keepAliveSeconds <= 0xffff) ||
    identity.clientId.length === 0 ||
    (identity.password !== undefined && identity.username === undefined)
  ) {
    throw new Error('MQTT: an option is out of its range');
  }
  const clientId = ascii(identity.clientId);
  const username = ascii(identity.username ?? '');
  const password = ascii(identity.password ?? '');
  let flags = CLEAN_SESSION;
  let remaining = 10 + 2 + clientId.length;
  if (identity.username !== undefined) {
    flags |= HAS_USERNAME;
    remaining += 2 + username.length;
  }
  if (identity.password !== undefined) {
    flags |= HAS_PASSWORD;
    remaining += 2 + password.length;
  }
  const packet = new Uint8Array(1 + lengthBytes(remaining) + remaining);
  packet[0] = CONNECT;
  let at = putLength(packet, 1, remaining);
  at = putString(packet, at, ascii('MQTT'));
  packet[at] = PROTOCOL_LEVEL;
  packet[at + 1] = flags;
  packet[at + 2] = identity.keepAliveSeconds >> 8;
  packet[at + 3] = identity.keepAliveSeconds;
  at = putString(packet, at + 4, clientId);
  if (identity.username !== undefined) {
    at = putString(packet, at, username);
  }
  if (identity.password !== undefined) {
    putString(packet, at, password);
  }
  return packet;
}

export class MqttClient {
  private readonly socket: ByteSocket;
  /** The CONNECT packet, wiped when sent: it holds the password. */
  declare private readonly hello: Uint8Array;
  private readonly keepAliveMs: number;
  private readonly onConnected: () => void;
  private readonly onPublished: (packetId: number) => void;
  private readonly onClosed: (reason: string, byPeer: boolean) => void;
  private connected = false;
  private closed = false;
  /** Bytes of the inbound packet that is being received. */
  private readonly inbound = new Uint8Array(MAX_INBOUND_BYTES);
  private received = 0;
  private outbound = new Uint8Array(0);
  private now = 0;
  private sentAt = 0;
  /** When the broker's answer to CONNECT or PINGREQ began to be awaited; -1 when none is. */
  private awaitedSince = -1;

  /** @throws Error when an option is out of its range. */
  constructor(socket: ByteSocket, options: MqttOptions) {
    this.socket = socket;
    this.keepAliveMs = options.identity.keepAliveSeconds * 1000;
    this.onConnected = options.onConnected;
    this.onPublished = options.onPublished;
    this.onClosed = options.onClosed;
    hide(this, 'hello', connectPacket(options.identity));
    this.socket.onData = (bytes) => {
      this.receive(bytes);
    };
    this.socket.onClose = () => {
      this.end('the connection was lost', true);
    };
  }

  /**
   * Sends CONNECT. Called once.
   *
   * @param nowMs time of the same monotonic clock as for {@link tick}.
   */
  start(nowMs: number): void {
    this.now = nowMs;
    this.awaitedSince = nowMs;
    this.send(this.hello);
    this.hello.fill(0);
  }

  /**
   * Publishes with QoS 1.
   *
   * @param topic ASCII bytes of the topic name.
   * @param packetId 1 to 65535, not in use by an unacknowledged packet.
   * @param again true when this may have been sent before (the DUP flag).
   * @throws Error when not connected, or when an argument is out of its range.
   */
  publish(topic: Uint8Array, payload: Uint8Array, packetId: number, again: boolean): void {
    const remaining = 2 + topic.length + 2 + payload.length;
    if (!this.connected || this.closed) {
      throw new Error('MQTT: not connected');
    }
    if (!(packetId >= 1 && packetId <= 0xffff) || remaining > MAX_REMAINING_LENGTH) {
      throw new Error('MQTT: packet id or length is out of range');
    }
    const length = 1 + lengthBytes(remaining) + remaining;
    if (this.outbound.length !== length) {
      this.outbound = new Uint8Array(length);
    }
    const packet = this.outbound;
    packet[0] = PUBLISH | QOS_1 | (again ? DUP : 0);
    let at = putLength(packet, 1, remaining);
    at = putString(packet, at, topic);
    packet[at] = packetId >> 8;
    packet[at + 1] = packetId;
    packet.set(payload, at + 2);
    this.send(packet);
  }

  /**
   * Lets time pass: sends a ping when the connection was silent for half the keep-alive, and gives up
   * a broker that does not answer.
   *
   * @param nowMs time of a monotonic clock, ms.
   */
  tick(nowMs: number): void {
    if (this.closed) {
      return;
    }
    this.now = nowMs;
    const patience = this.connected ? this.keepAliveMs : CONNECT_TIMEOUT_MS;
    if (this.awaitedSince >= 0) {
      if (nowMs - this.awaitedSince >= patience) {
        this.end('the broker does not answer', false);
      }
    } else if (nowMs - this.sentAt >= this.keepAliveMs / 2) {
      this.awaitedSince = nowMs;
      this.send(new Uint8Array([PINGREQ, 0]));
    }
  }

  /** Says goodbye and ends the connection; no callback follows. */
  close(): void {
    if (this.closed) {
      return;
    }
    this.closed = true;
    if (this.connected) {
      this.send(new Uint8Array([DISCONNECT, 0]));
    }
    this.socket.close();
  }

  private send(packet: Uint8Array): void {
    this.sentAt = this.now;
    try {
      this.socket.write(packet);
    } catch {
      this.end('the connection does not take bytes', true);
    }
  }

  private end(reason: string, byPeer: boolean): void {
    if (this.closed) {
      return;
    }
    this.closed = true;
    if (!byPeer) {
      this.socket.close();
    }
    this.onClosed(reason, byPeer);
  }

  private receive(bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length && !this.closed; i++) {
      this.inbound[this.received] = bytes[i];
      this.received++;
      this.advance();
    }
  }

  /** Checks the inbound bytes so far and acts when they are a whole packet. */
  private advance(): void {
    const packet = this.inbound;
    const kind = packet[0];
    if (kind !== CONNACK && kind !== PUBACK && kind !== PINGRESP) {
      this.end('the broker sent a packet that a publisher cannot expect', false);
      return;
    }
    const remaining = kind === PINGRESP ? 0 : 2;
    if (this.received === 1) {
      return;
    }
    if (packet[1] !== remaining) {
      this.end('the broker sent a packet of a wrong length', false);
      return;
    }
    if (this.received < 2 + remaining) {
      return;
    }
    this.received = 0;
    if (kind === CONNACK) {
      this.acceptConnack(packet[2], packet[3]);
    } else if (!this.connected) {
      this.end('the broker sent a packet before it accepted the connection', false);
    } else if (kind === PUBACK) {
      this.onPublished((packet[2] << 8) | packet[3]);
    } else {
      this.awaitedSince = -1;
    }
  }

  private acceptConnack(flags: number, code: number): void {
    if (this.connected || flags !== 0 || code >= REFUSALS.length) {
      this.end('the broker sent an invalid CONNACK', false);
    } else if (code !== 0) {
      this.end('the broker refused the connection: ' + REFUSALS[code], false);
    } else {
      this.connected = true;
      this.awaitedSince = -1;
      this.onConnected();
    }
  }
}
