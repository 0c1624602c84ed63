/** Members of a ring of three on loopback sockets, and strangers who try to get in. */
import { X509Certificate } from 'node:crypto';
import { connect as connectTcp, createServer, type AddressInfo, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { afterEach } from '@jest/globals';
import { ID_BYTES, JOB_ID_BYTES, type PartyDescriptor } from '@mozaik/protocol';
import type { PartyIndex } from '../../src/engine/channel.ts';
import { Peers, type PeerLimits, type PeerSession } from '../../src/node/peers.ts';
import {
  createTlsIdentity,
  tlsFingerprint,
  type TlsIdentity,
} from '../../src/node/tls-identity.ts';

export const HOST = '127.0.0.1';

export interface Member {
  tls: TlsIdentity;
  id: Uint8Array;
  peers: Peers;
  port: number;
  /** What the other members pin. */
  pinned: PartyDescriptor;
}

/** TLS keys are made once: nothing here depends on their being fresh. */
const keys = await Promise.all(Array.from({ length: 4 }, createTlsIdentity));
/** A key that nobody pins. */
export const strangerKey = keys[3];

const open: { close: () => unknown }[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
});

/** Closes something after the test. */
export function atEnd(one: { close: () => unknown }): void {
  open.push(one);
}

export function describe(id: Uint8Array, port: number, tls: TlsIdentity): PartyDescriptor {
  return {
    v: 1,
    party: id,
    signingKey: new Uint8Array(1952),
    name: 'party',
    host: HOST,
    port,
    sealKey: new Uint8Array(1216),
    tlsFingerprint: tlsFingerprint(new X509Certificate(tls.certificate)),
    issued: 0,
  };
}

/** Three members that listen, in the order of the protocol. */
export function ring(limits: Partial<PeerLimits> = {}): Promise<Member[]> {
  return Promise.all(
    [0, 1, 2].map(async (i) => {
      const id = new Uint8Array(ID_BYTES).fill(i + 1);
      const peers = new Peers(keys[i], id, limits);
      open.push(peers);
      const port = await peers.listen(HOST, 0);
      return { tls: keys[i], id, peers, port, pinned: describe(id, port, keys[i]) };
    }),
  );
}

export interface JoinOptions {
  job?: Uint8Array;
  timeoutMs?: number;
  signal?: AbortSignal;
  /** Other descriptors than the members' own. */
  parties?: PartyDescriptor[];
}

export const JOB = new Uint8Array(JOB_ID_BYTES).fill(0xab);

/** Member `index` connects to its neighbours. */
export async function join(
  members: Member[],
  index: number,
  options: JoinOptions = {},
): Promise<PeerSession> {
  const session = await members[index].peers.connect({
    job: options.job ?? JOB,
    index: index as PartyIndex,
    parties: options.parties ?? members.map(({ pinned }) => pinned),
    timeoutMs: options.timeoutMs ?? 5000,
    signal: options.signal ?? new AbortController().signal,
  });
  open.push(session);
  return session;
}

export const joinAll = (members: Member[], options: JoinOptions = {}): Promise<PeerSession[]> =>
  Promise.all([0, 1, 2].map((index) => join(members, index, options)));

/** Every member sends a message of its own each way; true when each got those of its neighbours. */
export async function talk(sessions: PeerSession[]): Promise<boolean> {
  const name = (index: number, direction: number) => Uint8Array.of(index, direction, 77);
  const heard = await Promise.all(
    sessions.map(async ({ channel }, i) => {
      const previous = await channel.rotate('next', name(i, 0), 3);
      const next = await channel.rotate('previous', name(i, 1), 3);
      return (
        Buffer.compare(previous, name((i + 2) % 3, 0)) === 0 &&
        Buffer.compare(next, name((i + 1) % 3, 1)) === 0
      );
    }),
  );
  return heard.every(Boolean);
}

/** A TLS connection to a member, with this key or none. Errors are kept quiet: `ended` tells. */
export async function dial(
  port: number,
  key?: TlsIdentity,
  maxVersion: 'TLSv1.2' | 'TLSv1.3' = 'TLSv1.3',
): Promise<Dialled> {
  const socket = connectTls({
    host: HOST,
    port,
    rejectUnauthorized: false,
    maxVersion,
    ...(key && { key: key.key, cert: key.certificate }),
  });
  const dialled = watch(socket);
  await new Promise<void>((resolve) => {
    socket.once('secureConnect', resolve);
    socket.once('close', () => resolve());
  });
  return dialled;
}

export interface Dialled {
  socket: TLSSocket;
  /** Resolves when the other side has ended the connection. */
  ended: Promise<void>;
}

function watch<T extends Socket>(socket: T): { socket: T; ended: Promise<void> } {
  open.push({ close: () => socket.destroy() });
  socket.on('error', () => undefined);
  socket.resume();
  return { socket, ended: new Promise((resolve) => socket.once('close', () => resolve())) };
}

/** A plain TCP connection to a member. */
export async function knock(port: number): Promise<{ socket: Socket; ended: Promise<void> }> {
  const knocked = watch(connectTcp({ host: HOST, port }));
  await new Promise<void>((resolve) => {
    knocked.socket.once('connect', resolve);
    knocked.socket.once('close', () => resolve());
  });
  return knocked;
}

export const greeting = (job: Uint8Array, party: Uint8Array): Buffer => Buffer.concat([job, party]);

/** Listens with `onConnection`; returns the port. */
export async function serve(onConnection: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    onConnection(socket);
  });
  open.push({
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  });
  await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
  return (server.address() as AddressInfo).port;
}

/** A port where nobody listens. */
export async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
