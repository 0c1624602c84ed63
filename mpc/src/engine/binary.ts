/**
 * Semi-honest, 1 of 3 corrupted: AND on replicated XOR shares. Araki, Furukawa, Lindell, Nof, Ohara,
 * "High-Throughput Semi-Honest Secure Three-Party Computation", CCS 2016. One round and one bit per
 * gate and party; XOR is local.
 */
import type { Session, Shares } from './session.ts';

/** Rounds, and bytes that each party sends. */
export interface Cost {
  rounds: number;
  bytes: number;
  /** Bytes of AND gates among them, for the log of a verified run. */
  gates?: number;
  /** Bytes of products on which one party advises the others, the most of any party, for the same log. */
  advised?: number;
}

export const sumCosts = (...costs: Cost[]): Required<Cost> => ({
  rounds: costs.reduce((sum, { rounds }) => sum + rounds, 0),
  bytes: costs.reduce((sum, { bytes }) => sum + bytes, 0),
  gates: costs.reduce((sum, { gates }) => sum + (gates ?? 0), 0),
  advised: costs.reduce((sum, { advised }) => sum + (advised ?? 0), 0),
});

/** Cost of `rounds` of ANDs over `bytes` in total. */
export const gatesCost = (rounds: number, bytes: number): Required<Cost> => ({
  rounds,
  bytes,
  gates: bytes,
  advised: 0,
});

/** Cost of one round of ANDs over `length` bytes. */
export const andCost = (length: number): Required<Cost> => gatesCost(1, length);

/** One AND of rows: `out` may be a new row or one that is no longer needed. */
export interface AndGate {
  x: Shares;
  y: Shares;
  out: Shares;
}

/**
 * Computes all gates in one round. Every row has `length` bytes, a multiple of 4.
 * No `out` may be an input of another gate of the same call.
 */
export async function and(session: Session, gates: AndGate[], length: number): Promise<void> {
  const { memory, kernels, zero, log } = session;
  const total = gates.length * length;
  const mark = memory.mark();
  const send = memory.allocate(total);
  const receive = memory.allocate(total);
  const zeroA = zero.own.take(total);
  const zeroB = zero.next.take(total);
  gates.forEach(({ x, y }, i) => {
    const at = i * length;
    kernels.andBytes(x.a, x.b, y.a, y.b, zeroA + at, zeroB + at, send + at, length);
  });
  const exchanged = session.exchange('previous', send, total, receive);
  // While the message is on its way.
  gates.forEach(({ x, y }, i) => {
    log?.record(x, y, { a: zeroA + i * length, b: zeroB + i * length }, length);
  });
  await exchanged;
  log?.received(receive, total);
  gates.forEach(({ out }, i) => {
    memory.copy(send + i * length, out.a, length);
    memory.copy(receive + i * length, out.b, length);
  });
  memory.release(mark);
}

/** Copies both shares of `length` bytes. */
export function copy({ memory }: Session, from: Shares, to: Shares, length: number): void {
  memory.copy(from.a, to.a, length);
  memory.copy(from.b, to.b, length);
}

/** out = x ^ y */
export function xor(session: Session, x: Shares, y: Shares, out: Shares, length: number): void {
  session.kernels.xorBytes(x.a, y.a, out.a, length);
  session.kernels.xorBytes(x.b, y.b, out.b, length);
}

/** Complements `x` in place. */
export function not(session: Session, x: Shares, length: number): void {
  const { memory, constantMask } = session;
  const flip = (pointer: number) => {
    const bytes = memory.bytes(pointer, length);
    for (let i = 0; i < length; i++) bytes[i] ^= 0xff;
  };
  if (constantMask.a) flip(x.a);
  if (constantMask.b) flip(x.b);
}

/** XORs public `bytes` into `x`. */
export function xorPublic(session: Session, x: Shares, bytes: Uint8Array): void {
  const { memory, constantMask } = session;
  const add = (pointer: number) => {
    const target = memory.bytes(pointer, bytes.length);
    for (let i = 0; i < bytes.length; i++) target[i] ^= bytes[i];
  };
  if (constantMask.a) add(x.a);
  if (constantMask.b) add(x.b);
}

/** Sets `x` to public `bytes`. */
export function setPublic(session: Session, x: Shares, bytes: Uint8Array): void {
  session.memory.bytes(x.a, bytes.length).fill(0);
  session.memory.bytes(x.b, bytes.length).fill(0);
  xorPublic(session, x, bytes);
}

/** Cost of {@link reveal} of `length` bytes. */
export const revealCost = (length: number): Cost => ({ rounds: 1, bytes: length });

/** Opens `x` to all parties: `length` bytes. */
export async function reveal(session: Session, x: Shares, length: number): Promise<Uint8Array> {
  const { memory, channel } = session;
  const missing = await channel.rotate('next', memory.bytes(x.a, length), length);
  const a = memory.bytes(x.a, length);
  const b = memory.bytes(x.b, length);
  return missing.map((byte, i) => byte ^ a[i] ^ b[i]);
}
