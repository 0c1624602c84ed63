/**
 * Semi-honest, 1 of 3 corrupted: shared bits to ring elements, and products of a shared bit with a
 * ring element. Three-party oblivious transfer of ABY3 (Mohassel and Rindal, CCS 2018, section 5.4.1)
 * in additive form, then a resharing: two rounds, see `mpc/assembly/convert.ts`.
 */
import { sumCosts, type Cost } from './binary.ts';
import {
  holderCost,
  holderRound,
  segments,
  segmentSize,
  valueSegments,
  type Segment,
} from './roles.ts';
import { ELEMENT_BYTES, reshare, reshareCost, roundUp, WORD_BYTES } from './ring.ts';
import type { PartyIndex } from './channel.ts';
import type { Session, Shares } from './session.ts';

/** A summand of a conversion, for `count` values: bits are one plane each. */
export type Term =
  /** weight * bit */
  | { kind: 'bit'; bit: Shares; weight: number }
  /** sign * bit * ((share sum of the holder >> shift) + (third share >> shift)) */
  | { kind: 'select'; bit: Shares; value: Shares; shift: number; sign: 1 | -1 };

/** Ring elements that the holder sends for a value of each kind of term. */
const MESSAGES = { bit: 1, select: 2 } as const;
/** Messages for a byte: one for each bit. */
const BYTE_MESSAGES = 8;

/** Counts of values are padded to a multiple of 4, so that they pack into whole words. */
const padValues = (count: number): number => roundUp(count, 4);

export function combineCost(index: PartyIndex, count: number, kinds: Term['kind'][]): Cost {
  const elements = kinds.reduce((sum, kind) => sum + MESSAGES[kind], 0);
  const parts = valueSegments(index, padValues(count));
  return sumCosts(holderCost(parts, elements * ELEMENT_BYTES), reshareCost(count));
}

/**
 * The sum of all terms for each of `count` values (memory padded to a multiple of 4), as replicated
 * shares.
 */
export async function combine(session: Session, terms: Term[], count: number): Promise<Shares> {
  const { memory, kernels, pair } = session;
  const padded = padValues(count);
  const out: Shares = {
    a: memory.allocateZeros(padded * WORD_BYTES),
    b: memory.allocate(padded * WORD_BYTES),
  };
  const mark = memory.mark();
  const acc = out.a;
  const elements = terms.reduce((sum, { kind }) => sum + MESSAGES[kind], 0);
  const parts = valueSegments(session.index, padded);
  const { holder, receiver, helper } = parts;
  const rowBytes = (segment: Segment) => segmentSize(segment) * WORD_BYTES;
  const wire = elements * ELEMENT_BYTES;

  const r = pair.own.take(rowBytes(holder) * elements);
  const helperR = pair.next.take(rowBytes(helper) * elements);
  const e = memory.allocate(rowBytes(holder) * elements);
  const receivedE = memory.allocate(rowBytes(receiver) * elements);
  const send = memory.allocate(segmentSize(holder) * wire);
  const received = memory.allocate(segmentSize(receiver) * wire);

  let sent = 0;
  for (const term of terms) {
    const at = sent * rowBytes(holder);
    const { a, b } = term.bit;
    const { first, last } = holder;
    if (term.kind === 'bit') {
      kernels.bitHolder(a, b, term.weight, first, last, r + at, e + at, acc);
    } else {
      const { value, shift, sign } = term;
      kernels.selectHolder(a, b, value.a, value.b, shift, sign, first, last, r + at, e + at, acc);
    }
    sent += MESSAGES[term.kind];
  }
  kernels.pack24(e, send, segmentSize(holder) * elements);
  await holderRound(session, parts, wire, send, received);
  kernels.unpack24(received, receivedE, segmentSize(receiver) * elements);

  sent = 0;
  for (const term of terms) {
    const at = sent * rowBytes(receiver);
    const helperAt = sent * rowBytes(helper);
    const { a, b } = term.bit;
    if (term.kind === 'bit') {
      kernels.bitReceiver(b, term.weight, receiver.first, receiver.last, receivedE + at, acc);
      kernels.bitHelper(a, helper.first, helper.last, helperR + helperAt, acc);
    } else {
      const { value, shift, sign } = term;
      const { first, last } = receiver;
      kernels.selectReceiver(b, value.b, shift, sign, first, last, receivedE + at, acc);
      kernels.selectHelper(
        a,
        value.a,
        shift,
        sign,
        helper.first,
        helper.last,
        helperR + helperAt,
        acc,
      );
    }
    sent += MESSAGES[term.kind];
  }
  await reshare(session, out, padded);
  memory.release(mark);
  return out;
}

export function bytesToRingCost(index: PartyIndex, samples: number, lanes: number): Cost {
  return sumCosts(
    holderCost(segments(index, samples), lanes * BYTE_MESSAGES * ELEMENT_BYTES),
    reshareCost(samples * lanes),
  );
}

/**
 * Shared bytes to ring elements 0..255. Byte s of lane l is byte s % 8 of the 64-bit word
 * `words[s >> 3][l]`; the result is [samples][lanes]. `lanes` is a multiple of 8.
 */
export async function bytesToRing(
  session: Session,
  words: Shares,
  samples: number,
  lanes: number,
): Promise<Shares> {
  const { memory, kernels, pair } = session;
  const total = samples * lanes * WORD_BYTES;
  const out: Shares = { a: memory.allocateZeros(total), b: memory.allocate(total) };
  const mark = memory.mark();
  const parts = segments(session.index, samples);
  const rows = lanes * BYTE_MESSAGES;
  const wire = rows * ELEMENT_BYTES;
  const r = pair.own.take(segmentSize(parts.holder) * rows * WORD_BYTES);
  const helperR = pair.next.take(segmentSize(parts.helper) * rows * WORD_BYTES);
  const e = memory.allocate(segmentSize(parts.holder) * rows * WORD_BYTES);
  const receivedE = memory.allocate(segmentSize(parts.receiver) * rows * WORD_BYTES);
  const send = memory.allocate(segmentSize(parts.holder) * wire);
  const received = memory.allocate(segmentSize(parts.receiver) * wire);

  /** Calls `step` for each sample of a segment: source byte offset, row of messages, target. */
  const each = (
    { first, last }: Segment,
    step: (byte: number, message: number, target: number) => void,
  ) => {
    for (let s = first; s < last; s++) {
      const byte = (s >> 3) * lanes * 8 + (s & 7);
      step(byte, (s - first) * rows * WORD_BYTES, out.a + s * lanes * WORD_BYTES);
    }
  };
  each(parts.holder, (byte, at, acc) =>
    kernels.bytesHolder(words.a + byte, words.b + byte, lanes, r + at, e + at, acc),
  );
  kernels.pack24(e, send, segmentSize(parts.holder) * rows);
  await holderRound(session, parts, wire, send, received);
  kernels.unpack24(received, receivedE, segmentSize(parts.receiver) * rows);
  each(parts.receiver, (byte, at, acc) =>
    kernels.bytesReceiver(words.b + byte, lanes, receivedE + at, acc),
  );
  each(parts.helper, (byte, at, acc) =>
    kernels.bytesHelper(words.a + byte, lanes, helperR + at, acc),
  );
  await reshare(session, out, samples * lanes);
  memory.release(mark);
  return out;
}
