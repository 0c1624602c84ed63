/**
 * What crosses the wire: header, then seeds and residues packed to the bit. All lengths follow from
 * the header, so that a frame is checked whole before anything of it is looked at.
 *
 *     header      magic 4 ‖ version 1 ‖ layout 1 ‖ beats 2 ‖ outputs 2 ‖ zero 2, little-endian
 *     request     ciphertexts of (seed 64 ‖ residues of c0); c1 grows from the seed
 *     keys        in the order of {@link KEY_PLANS}; each of digits of (seed 64 ‖ residues of c0),
 *                 modulo the primes that are left where it is used and the special one
 *     reply       ciphertexts of all residues of c0, c1 …
 *
 * Residues of a polynomial are in the order of the primes, each N values of `bits` bits,
 * little-endian, in the library's order of its number-theoretic transform.
 */
import { MozaikError } from '@mozaik/protocol';
import {
  KEY_PLANS,
  MAX_OUTPUTS,
  PARAMETERS,
  SINGLE_CIPHERTEXTS,
  WINDOW_BYTES,
  type KeyPlan,
  type Layout,
} from './parameters.ts';

export type FrameKind = 'request' | 'keys' | 'reply';

export const HEADER_BYTES = 12;
export const SEED_BYTES = 64;
const VERSION = 1;
const MAGIC: Record<FrameKind, string> = { request: 'MZHQ', keys: 'MZHK', reply: 'MZHR' };
const LAYOUT_CODES: Record<Layout, number> = { single: 1, batch: 2 };

/** Primes that are left in a reply, and its polynomials: see docs/homomorphic.md. */
export const REPLY_SHAPE: Record<Layout, { limbs: number; parts: number }> = {
  single: { limbs: 2, parts: 2 },
  batch: { limbs: 3, parts: 3 },
};

/** Bytes of the residues of a polynomial modulo one prime. */
export const limbBytes = (layout: Layout): number =>
  (PARAMETERS[layout].degree * PARAMETERS[layout].bits) / 8;

/** Ciphertexts of a request. */
export const requestCiphertexts = (layout: Layout, beats: number): number =>
  layout === 'single' ? beats * SINGLE_CIPHERTEXTS : WINDOW_BYTES;

/** Ciphertexts of a reply. */
export const replyCiphertexts = (layout: Layout, beats: number, outputs: number): number =>
  layout === 'single' ? beats : outputs;

/** Bytes of a ciphertext in a request. */
export const freshBytes = (layout: Layout): number =>
  SEED_BYTES + PARAMETERS[layout].primes.length * limbBytes(layout);

/** Bytes of one digit of a key. */
export const digitBytes = ({ limbs }: KeyPlan): number =>
  SEED_BYTES + (limbs + 1) * limbBytes('single');

const replyBytes = (layout: Layout, beats: number, outputs: number): number => {
  const { limbs, parts } = REPLY_SHAPE[layout];
  return replyCiphertexts(layout, beats, outputs) * limbs * parts * limbBytes(layout);
};

/** Largest request, bytes: a server reads no more, so that an upload cannot fill its memory. */
export const REQUEST_MAX_BYTES =
  HEADER_BYTES +
  Math.max(
    ...(['single', 'batch'] as const).map(
      (layout) => requestCiphertexts(layout, PARAMETERS[layout].maxBeats) * freshBytes(layout),
    ),
  );
/** Length of evaluation keys, bytes; there are none in the batch layout. */
export const EVALUATION_KEYS_MAX_BYTES =
  HEADER_BYTES + KEY_PLANS.reduce((sum, plan) => sum + plan.limbs * digitBytes(plan), 0);
/** Largest reply, bytes. */
export const REPLY_MAX_BYTES =
  HEADER_BYTES +
  Math.max(
    ...(['single', 'batch'] as const).map((layout) =>
      replyBytes(layout, PARAMETERS[layout].maxBeats, MAX_OUTPUTS),
    ),
  );

export interface FrameHeader {
  layout: Layout;
  /** Beats in it; 0 in keys. */
  beats: number;
  /** Outputs for each beat; 0 but in replies. */
  outputs: number;
}

/** Bytes of a frame with this header. */
function frameBytes(kind: FrameKind, { layout, beats, outputs }: FrameHeader): number {
  if (kind === 'keys') return EVALUATION_KEYS_MAX_BYTES;
  if (kind === 'reply') return HEADER_BYTES + replyBytes(layout, beats, outputs);
  return HEADER_BYTES + requestCiphertexts(layout, beats) * freshBytes(layout);
}

/** A frame of the right length, of which only the header is written yet. */
export function newFrame(kind: FrameKind, header: FrameHeader): Uint8Array {
  const frame = new Uint8Array(frameBytes(kind, header));
  frame.set(new TextEncoder().encode(MAGIC[kind]));
  const view = new DataView(frame.buffer);
  view.setUint8(4, VERSION);
  view.setUint8(5, LAYOUT_CODES[header.layout]);
  view.setUint16(6, header.beats, true);
  view.setUint16(8, header.outputs, true);
  return frame;
}

const malformed = (kind: FrameKind, detail: string): MozaikError =>
  new MozaikError('HOMOMORPHIC_INPUT', `${kind}: ${detail}`);

/**
 * Checks everything about a frame but the residues in it, and returns what follows the header.
 *
 * @param expected what it has to be
 * @throws MozaikError HOMOMORPHIC_INPUT
 */
export function openFrame(
  kind: FrameKind,
  frame: Uint8Array,
  expected: { layout: Layout; beats: number },
): { outputs: number; body: Uint8Array } {
  const { layout, beats } = expected;
  const { maxBeats } = PARAMETERS[layout];
  if (kind !== 'keys' && !(Number.isInteger(beats) && beats >= 1 && beats <= maxBeats)) {
    throw malformed(kind, `${beats} beats, of 1 to ${maxBeats} in the layout ${layout}`);
  }
  if (frame.length < HEADER_BYTES) throw malformed(kind, `it ends after ${frame.length} bytes`);
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  if (new TextDecoder().decode(frame.subarray(0, 4)) !== MAGIC[kind]) {
    throw malformed(kind, 'it does not begin as one');
  }
  if (view.getUint8(4) !== VERSION) throw malformed(kind, `version ${view.getUint8(4)}`);
  if (view.getUint8(5) !== LAYOUT_CODES[layout]) {
    throw malformed(kind, `it is not in the layout ${layout}`);
  }
  const found = view.getUint16(6, true);
  if (found !== beats) throw malformed(kind, `${found} beats in place of ${beats}`);
  const outputs = view.getUint16(8, true);
  const proper = kind === 'reply' ? outputs >= 2 && outputs <= MAX_OUTPUTS : outputs === 0;
  if (!proper) throw malformed(kind, `${outputs} outputs`);
  if (view.getUint16(10, true) !== 0) throw malformed(kind, 'its reserved bytes are not zero');
  const length = frameBytes(kind, { layout, beats, outputs });
  if (frame.length !== length) {
    throw malformed(kind, `${frame.length} bytes in place of ${length}`);
  }
  return { outputs, body: frame.subarray(HEADER_BYTES) };
}

/** Packs values of `bits` bits each (26 to 30) into `out`, little-endian. */
export function packResidues(values: ArrayLike<number>, bits: number, out: Uint8Array): void {
  let held = 0;
  let count = 0;
  let at = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    held |= value << count;
    count += bits;
    if (count < 32) continue;
    out[at++] = held;
    out[at++] = held >>> 8;
    out[at++] = held >>> 16;
    out[at++] = held >>> 24;
    count -= 32;
    held = value >>> (bits - count);
  }
  for (; count > 0; count -= 8) {
    out[at++] = held;
    held >>>= 8;
  }
}

/**
 * Inverse of {@link packResidues}.
 * @throws MozaikError HOMOMORPHIC_INPUT for a residue that is not below the prime
 */
export function unpackResidues(packed: Uint8Array, bits: number, prime: number): Uint32Array {
  const values = new Uint32Array((packed.length * 8) / bits);
  const mask = 2 ** bits - 1;
  let held = 0;
  let count = 0;
  let at = 0;
  for (let i = 0; i < values.length; i++) {
    let value = held;
    if (count >= bits) {
      held >>>= bits;
      count -= bits;
    } else {
      // What is behind the end counts as zeros.
      const word =
        packed[at] | (packed[at + 1] << 8) | (packed[at + 2] << 16) | (packed[at + 3] << 24);
      at += 4;
      value |= word << count;
      held = word >>> (bits - count);
      count += 32 - bits;
    }
    value &= mask;
    if (value >= prime) {
      throw new MozaikError('HOMOMORPHIC_INPUT', 'a residue is not below its prime');
    }
    values[i] = value;
  }
  return values;
}
