/**
 * Connections between parties: mutual TLS 1.3, both keys pinned by the consent. For each session a
 * party dials the next one and is dialled by the previous one; a session is named by its job id.
 */
import { createServer, connect, type Server } from 'node:net';
import { connect as tlsConnect, createSecureContext, TLSSocket } from 'node:tls';
import {
  equalBytes,
  ID_BYTES,
  JOB_ID_BYTES,
  MozaikError,
  toHex,
  type PartyDescriptor,
} from '@mozaik/protocol';
import type { Channel, Direction, Meter, PartyIndex } from '../engine/channel.ts';
import { Link } from './link.ts';
import { tlsFingerprint, type TlsIdentity } from './tls-identity.ts';

const GREETING_BYTES = JOB_ID_BYTES + ID_BYTES;
const DEFAULT_LIMITS = {
  /** A connection must say within this time which session it is for, ms: stops idle and slow ones. */
  greetingMs: 10_000,
  /** Connections that have not said it yet. Of more, the oldest goes: a flood keeps nobody out. */
  strangers: 1024,
  /** A peer may be told of a job this much earlier than we are, ms. */
  earlyMs: 30_000,
  /** Connections that wait for their session. Of more, the oldest goes, as above. */
  early: 256,
};
export type PeerLimits = typeof DEFAULT_LIMITS;

const DIAL_RETRY_MS = 100;
/** A connection may rest for minutes: a peer that vanished without a word is asked for. */
const KEEP_ALIVE = { keepAlive: true, keepAliveInitialDelay: 30_000 };

/** Connections of one session. Closing it ends both. */
export interface PeerSession {
  channel: Channel;
  /** @throws MozaikError PEER_PROTOCOL when a peer sent more than the protocol asks for */
  finish(): void;
  /** Bounds what each peer may send unasked, as {@link Link.limitUnread}. */
  limitUnread(bytes?: number): void;
  /** Resolves, with the reason, when either connection is no more. */
  ended: Promise<MozaikError>;
  close(): void;
}

export interface SessionRequest {
  job: Uint8Array;
  index: PartyIndex;
  /** Descriptors of the parties as the consent pins them, in its order. */
  parties: PartyDescriptor[];
  /** Longest wait for a peer, ms: to appear, and for each message. */
  timeoutMs: number;
  signal: AbortSignal;
}

interface Arrival {
  session: string;
  socket: TLSSocket;
  fingerprint: Uint8Array;
}

export class Peers {
  readonly #tls: TlsIdentity;
  readonly #id: Uint8Array;
  readonly #limits: PeerLimits;
  #server: Server | undefined;
  /** Connections that have not greeted yet. */
  readonly #strangers = new Set<TLSSocket>();
  /** Connections that came before their session, and sessions that wait for theirs. */
  readonly #early = new Set<Arrival>();
  readonly #expected = new Map<string, (arrival: Arrival) => void>();
  /** Sessions of which somebody wants to know that a connection came early. */
  readonly #watched = new Map<string, (arrival: Arrival) => void>();

  constructor(tls: TlsIdentity, id: Uint8Array, limits: Partial<PeerLimits> = {}) {
    this.#tls = tls;
    this.#id = id;
    this.#limits = { ...DEFAULT_LIMITS, ...limits };
  }

  /** Listens for other parties; returns the port. `port` 0 takes any free one. */
  async listen(host: string, port: number): Promise<number> {
    const context = createSecureContext({
      key: this.#tls.key,
      cert: this.#tls.certificate,
      minVersion: 'TLSv1.3',
    });
    const server = createServer(KEEP_ALIVE, (raw) => {
      // Certificates are self-signed; the key is compared with the pinned one below.
      const socket = new TLSSocket(raw, {
        isServer: true,
        secureContext: context,
        requestCert: true,
        rejectUnauthorized: false,
      });
      socket.on('error', () => socket.destroy());
      this.#admit(socket);
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause) =>
        reject(new MozaikError('UNAVAILABLE', `cannot listen on ${host}:${port}`, { cause })),
      );
      server.listen(port, host, resolve);
    });
    this.#server = server;
    const address = server.address();
    return typeof address === 'object' && address ? address.port : port;
  }

  /** Stops listening and ends every connection that is not part of a session. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      if (this.#server) this.#server.close(() => resolve());
      else resolve();
    });
    for (const socket of this.#strangers) socket.destroy();
    for (const { socket } of this.#early) socket.destroy();
    await closed;
  }

  /**
   * Connects to both neighbours.
   * @throws MozaikError PEER_LOST when one does not come, PARTY_NOT_PINNED when it holds another key
   */
  async connect(request: SessionRequest): Promise<PeerSession> {
    const { index, parties, timeoutMs, signal } = request;
    const next = parties[(index + 1) % 3];
    const previous = parties[(index + 2) % 3];
    // When one neighbour fails, we give up the other one at once.
    const attempt = new AbortController();
    const either = { ...request, signal: AbortSignal.any([signal, attempt.signal]) };
    const sockets: TLSSocket[] = [];
    try {
      const [outgoing, incoming] = await Promise.all([
        this.#dial(next, either, sockets),
        this.#await(previous, either, sockets),
      ]);
      const links = {
        next: new Link(outgoing, timeoutMs),
        previous: new Link(incoming, timeoutMs),
      };
      const onAbort = () => {
        links.next.close();
        links.previous.close();
      };
      signal.addEventListener('abort', onAbort);
      return {
        channel: new LinkChannel(index, links),
        ended: Promise.race([links.next.ended, links.previous.ended]),
        limitUnread(bytes) {
          links.next.limitUnread(bytes);
          links.previous.limitUnread(bytes);
        },
        finish() {
          if (links.next.hasUnread || links.previous.hasUnread) {
            throw new MozaikError('PEER_PROTOCOL', 'a peer sent more than the protocol asks for');
          }
        },
        close() {
          signal.removeEventListener('abort', onAbort);
          onAbort();
        },
      };
    } catch (error) {
      attempt.abort();
      for (const socket of sockets) socket.destroy();
      throw error;
    }
  }

  /**
   * Calls back, once, when the previous party has dialled this session that we do not wait for yet.
   * @returns ends the watch
   */
  watch({ job, index, parties }: SessionRequest, onArrival: () => void): () => void {
    const previous = parties[(index + 2) % 3];
    const key = sessionKey(job, previous.party);
    const end = () => {
      this.#watched.delete(key);
    };
    const see = ({ session, fingerprint }: Arrival) => {
      if (session !== key || !equalBytes(fingerprint, previous.tlsFingerprint)) return;
      end();
      onArrival();
    };
    this.#watched.set(key, see);
    for (const early of this.#early) see(early);
    return end;
  }

  async #dial(
    party: PartyDescriptor,
    { job, timeoutMs, signal }: SessionRequest,
    sockets: TLSSocket[],
  ): Promise<TLSSocket> {
    const deadline = Date.now() + timeoutMs;
    while (!signal.aborted) {
      try {
        const socket = await this.#dialOnce(party, deadline - Date.now(), signal);
        sockets.push(socket);
        socket.write(Buffer.concat([job, this.#id]));
        return socket;
      } catch (error) {
        const lost = error instanceof MozaikError && error.code === 'PEER_LOST';
        if (!lost || Date.now() + DIAL_RETRY_MS >= deadline) throw error;
        await new Promise((resolve) => setTimeout(resolve, DIAL_RETRY_MS));
      }
    }
    throw new MozaikError('PEER_LOST', 'the session was given up');
  }

  #dialOnce(party: PartyDescriptor, timeoutMs: number, signal: AbortSignal): Promise<TLSSocket> {
    return new Promise((resolve, reject) => {
      const raw = connect({ host: party.host, port: party.port, ...KEEP_ALIVE });
      const socket = tlsConnect({
        socket: raw,
        key: this.#tls.key,
        cert: this.#tls.certificate,
        minVersion: 'TLSv1.3',
        rejectUnauthorized: false,
        checkServerIdentity: () => undefined,
      });
      const fail = (error: MozaikError) => {
        socket.destroy();
        raw.destroy();
        reject(error);
      };
      const lost = () => fail(new MozaikError('PEER_LOST', `${party.host}:${party.port}`));
      const timer = setTimeout(lost, timeoutMs);
      const onAbort = () => lost();
      signal.addEventListener('abort', onAbort);
      const settled = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
      };
      raw.once('error', lost);
      socket.once('error', lost);
      socket.once('close', settled);
      socket.once('secureConnect', () => {
        settled();
        const fingerprint = peerFingerprint(socket);
        if (!fingerprint || !equalBytes(fingerprint, party.tlsFingerprint)) {
          fail(new MozaikError('PARTY_NOT_PINNED', toHex(party.party)));
          return;
        }
        resolve(socket);
      });
    });
  }

  /** Gives a new connection a limited time to greet. */
  #admit(socket: TLSSocket): void {
    dropOldest(this.#strangers, this.#limits.strangers, (oldest) => oldest.destroy());
    this.#strangers.add(socket);
    const timer = setTimeout(() => socket.destroy(), this.#limits.greetingMs);
    const settle = () => {
      clearTimeout(timer);
      this.#strangers.delete(socket);
    };
    socket.once('close', settle);
    socket.once('secure', () => {
      this.#greet(socket).then(settle, () => socket.destroy());
    });
  }

  /** Reads job id and party id from a new connection and hands it to its session. */
  async #greet(socket: TLSSocket): Promise<void> {
    const fingerprint = peerFingerprint(socket);
    const greeting = fingerprint && (await readExactly(socket, GREETING_BYTES));
    if (!fingerprint || !greeting) {
      socket.destroy();
      return;
    }
    const arrival: Arrival = {
      session: sessionKey(greeting.subarray(0, JOB_ID_BYTES), greeting.subarray(JOB_ID_BYTES)),
      socket,
      fingerprint,
    };
    const expected = this.#expected.get(arrival.session);
    if (expected) {
      expected(arrival);
      return;
    }
    dropOldest(this.#early, this.#limits.early, (oldest) => oldest.socket.destroy());
    this.#early.add(arrival);
    this.#watched.get(arrival.session)?.(arrival);
    socket.once('close', () => this.#early.delete(arrival));
    setTimeout(() => {
      if (this.#early.delete(arrival)) socket.destroy();
    }, this.#limits.earlyMs).unref();
  }

  #await(
    party: PartyDescriptor,
    { job, timeoutMs, signal }: SessionRequest,
    sockets: TLSSocket[],
  ): Promise<TLSSocket> {
    const key = sessionKey(job, party.party);
    return new Promise((resolve, reject) => {
      const lost = () => settle(() => reject(new MozaikError('PEER_LOST', toHex(party.party))));
      const timer = setTimeout(lost, timeoutMs);
      const settle = (action: () => void) => {
        clearTimeout(timer);
        signal.removeEventListener('abort', lost);
        this.#expected.delete(key);
        action();
      };
      const accept = ({ socket, fingerprint }: Arrival) => {
        if (equalBytes(fingerprint, party.tlsFingerprint)) {
          sockets.push(socket);
          settle(() => resolve(socket));
        } else {
          // Anyone can claim a session: an impostor is sent away and does not end it.
          socket.destroy();
        }
      };
      if (signal.aborted) return lost();
      signal.addEventListener('abort', lost);
      this.#expected.set(key, accept);
      for (const early of [...this.#early].filter(({ session }) => session === key)) {
        this.#early.delete(early);
        accept(early);
      }
    });
  }
}

class LinkChannel implements Channel {
  readonly index: PartyIndex;
  readonly meter: Meter = { rounds: 0, bytesSent: 0 };
  readonly #links: Record<Direction, Link>;

  constructor(index: PartyIndex, links: Record<Direction, Link>) {
    this.index = index;
    this.#links = links;
  }

  rotate(direction: Direction, message: Uint8Array, length: number): Promise<Uint8Array> {
    this.meter.rounds++;
    this.meter.bytesSent += message.length;
    this.#links[direction].send(message);
    return this.#links[direction === 'next' ? 'previous' : 'next'].receive(length);
  }
}

/** Makes room for one more in a set of at most `max`. */
function dropOldest<T>(set: Set<T>, max: number, drop: (oldest: T) => void): void {
  if (set.size < max) return;
  const [oldest] = set;
  set.delete(oldest);
  drop(oldest);
}

const sessionKey = (job: Uint8Array, party: Uint8Array): string => `${toHex(job)}/${toHex(party)}`;

function peerFingerprint(socket: TLSSocket): Uint8Array | undefined {
  const certificate = socket.getPeerX509Certificate();
  return certificate && tlsFingerprint(certificate);
}

/** The first `length` bytes of a connection; what follows stays in it. Undefined when it ends. */
function readExactly(socket: TLSSocket, length: number): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const end = () => finish(undefined);
    const finish = (value: Buffer | undefined) => {
      socket.off('readable', read);
      socket.off('close', end);
      resolve(value);
    };
    const read = () => {
      const value = socket.read(length) as Buffer | null;
      if (value) finish(value);
    };
    socket.on('readable', read);
    socket.on('close', end);
    read();
  });
}
