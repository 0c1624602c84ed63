/**
 * Semi-honest, 1 of 3 corrupted: Ascon-AEAD128 decryption (NIST SP 800-232) under a shared key, many
 * messages side by side, one lane each. Nonces, associated data and ciphertexts are public; key, state
 * and plaintext are shared. Five word-ANDs and one round of communication per round of the
 * permutation, by the AND of Araki et al. 2016; three of them where a block of ciphertext has just taken
 * the rate's place.
 */
import {
  and,
  andCost,
  gatesCost,
  not,
  reveal,
  revealCost,
  sumCosts,
  xor,
  type Cost,
} from './binary.ts';
import { row } from './carry.ts';
import { planeWords } from './roles.ts';
import { WORD_BYTES } from './ring.ts';
import type { GateLog } from './gate-log.ts';
import type { Session, Shares } from './session.ts';

/** A 64-bit constant as two halves. */
interface HalvedWord {
  low: number;
  high: number;
}

/** SP 800-232, section 4.1: 0x00001000808c0001. */
const INITIAL_VALUE: HalvedWord = { low: 0x808c0001, high: 0x00001000 };
/** In the state's last word: separates associated data and message. */
const DOMAIN_SEPARATION: HalvedWord = { low: 0, high: 0x80000000 };
const RATE_BYTES = 16;
const LANE_BYTES = 8;
const ROWS = 5;
/** ANDs of the S-box that a public word 1 makes local: the first ones. */
const PUBLIC_ROWS = 2;
const ROUNDS = { full: 12, block: 8 } as const;
/** Constants of the last rounds of the permutation; p[n] uses the last n. */
const ROUND_CONSTANTS = [0xf0, 0xe1, 0xd2, 0xc3, 0xb4, 0xa5, 0x96, 0x87, 0x78, 0x69, 0x5a, 0x4b];
const TAG_BITS = 128;

/** One message: all public. Every message of a batch has the same lengths. */
export interface SealedMessage {
  /** 16 bytes. */
  nonce: Uint8Array;
  /** At most 15 bytes: one block with its padding. */
  associatedData: Uint8Array;
  ciphertext: Uint8Array;
  /** 16 bytes. */
  tag: Uint8Array;
}

const permutationCost = (rounds: number, publicRows: number, lanes: number): Required<Cost> =>
  gatesCost(rounds, (rounds * ROWS - publicRows) * LANE_BYTES * lanes);

/** Cost of {@link decrypt}. */
export function decryptCost(messageBytes: number, lanes: number): Cost {
  const blocks = Math.floor(messageBytes / RATE_BYTES);
  const rounds = ROUNDS.full + ROUNDS.block + ROUNDS.block * blocks;
  return permutationCost(rounds, PUBLIC_ROWS * blocks, lanes);
}

/** A batch whose plaintext is there, and from which its tags follow. */
export interface Decryption {
  /** [ceil(messageBytes / 8)][lanes] 64-bit words, little-endian; bytes past the end are zero. */
  plaintext: Shares;
  /** [5][lanes] 64-bit words: state before the finalisation. */
  state: Shares;
  /** [2][lanes] 64-bit words. */
  key: Shares;
  /** Public, [2][lanes] 64-bit words. */
  tag: number;
  lanes: number;
}

/** What the finalisation needs, as bytes outside of a session: the caller wipes them. */
export interface PendingTags {
  state: ShareCopies;
  key: ShareCopies;
  tag: Uint8Array;
  lanes: number;
}

interface ShareCopies {
  a: Uint8Array;
  b: Uint8Array;
}

/**
 * @param key [2][lanes] 64-bit words of shares: the key of each lane
 * @param messages one for each lane; `lanes`, a multiple of 8, may exceed their number, and the lanes
 *   beyond hold meaningless values
 */
export async function decrypt(
  session: Session,
  key: Shares,
  messages: SealedMessage[],
  lanes: number,
): Promise<Decryption> {
  const { kernels } = session;
  const messageBytes = messages[0].ciphertext.length;
  const row8 = lanes * LANE_BYTES;
  const words = Math.ceil(messageBytes / LANE_BYTES);
  const plaintext = session.allocate(words * row8);
  const state = session.allocateZeros(ROWS * row8);
  const fields = publicRows(session, messages, lanes);
  const stateRow = (n: number) => row(state, n, row8);

  // Initialisation, SP 800-232 section 4.1.1.
  xorWord(session, stateRow(0), lanes, INITIAL_VALUE);
  xorRows(session, key, stateRow(1), 2 * row8);
  xorPublicRows(session, fields.nonce, stateRow(3), 2 * row8);
  await permute(session, state, lanes, ROUNDS.full);
  xorRows(session, key, stateRow(3), 2 * row8);

  // Associated data: one padded block.
  xorPublicRows(session, fields.associatedData, state, 2 * row8);
  pad(session, state, lanes, messages[0].associatedData.length);
  await permute(session, state, lanes, ROUNDS.block);
  xorWord(session, stateRow(4), lanes, DOMAIN_SEPARATION);

  // Ciphertext: the plaintext is the rate XOR the ciphertext, which then takes the rate's place.
  for (let word = 0; word < words; word++) {
    const length = Math.min(LANE_BYTES, messageBytes - word * LANE_BYTES);
    for (const share of ['a', 'b'] as const) {
      kernels.asconAbsorb(
        stateRow(word & 1)[share],
        fields.ciphertext + word * row8,
        row(plaintext, word, row8)[share],
        lanes,
        length,
        session.constantMask[share],
      );
    }
    if (word & 1 && (word + 1) * LANE_BYTES <= messageBytes) {
      await permute(session, state, lanes, ROUNDS.block, fields.ciphertext + word * row8);
    }
  }
  pad(session, state, lanes, messageBytes % RATE_BYTES);
  return { plaintext, state, key, tag: fields.tag, lanes };
}

/** Copies what {@link verifyTags} needs, so that it can run in a session of its own. */
export function pendingTags(session: Session, { state, key, tag, lanes }: Decryption): PendingTags {
  const row8 = lanes * LANE_BYTES;
  const copy = (pointer: number, rows: number) =>
    session.memory.bytes(pointer, rows * row8).slice();
  return {
    state: { a: copy(state.a, ROWS), b: copy(state.b, ROWS) },
    key: { a: copy(key.a, 2), b: copy(key.b, 2) },
    tag: copy(tag, 2),
    lanes,
  };
}

export function equalTagsCost(lanes: number): Required<Cost> {
  const plane = planeWords(lanes) * WORD_BYTES;
  const levels: Cost[] = [];
  for (let planes = TAG_BITS / 2; planes >= 1; planes /= 2) levels.push(andCost(planes * plane));
  return sumCosts(permutationCost(ROUNDS.full, 0, lanes), ...levels);
}

/**
 * Computes the tags from the state before the finalisation and compares them with the received ones, by
 * an AND tree over the complemented bits of the difference: one plane of shared bits, 1 where equal.
 * `state` is used up; `tag` is public.
 */
export async function equalTags(
  session: Session,
  state: Shares,
  key: Shares,
  tag: number,
  lanes: number,
): Promise<Shares> {
  const { kernels } = session;
  const row8 = lanes * LANE_BYTES;
  xorRows(session, key, row(state, 2, row8), 2 * row8);
  await permute(session, state, lanes, ROUNDS.full);
  const difference = row(state, 3, row8);
  xorRows(session, key, difference, 2 * row8);
  xorPublicRows(session, tag, difference, 2 * row8);

  const words = planeWords(lanes);
  const plane = words * WORD_BYTES;
  const planes = session.allocate(TAG_BITS * plane);
  for (let half = 0; half < 2; half++) {
    const from = row(difference, half, row8);
    const to = row(planes, half * 64, plane);
    kernels.planesFromWords64(from.a, lanes, to.a, words);
    kernels.planesFromWords64(from.b, lanes, to.b, words);
  }
  not(session, planes, TAG_BITS * plane);
  for (let half = (TAG_BITS / 2) * plane; half >= plane; half /= 2) {
    await and(session, [{ x: planes, y: row(planes, 1, half), out: planes }], half);
  }
  return planes;
}

export const verifyTagsCost = (lanes: number): Required<Cost> =>
  sumCosts(equalTagsCost(lanes), revealCost(planeWords(lanes) * WORD_BYTES));

/**
 * Opens one bit for each message, whether its tag is the received one, and nothing else.
 *
 * @returns for each lane 1 when the message is authentic, else 0
 */
export async function verifyTags(
  session: Session,
  { state: states, key: keys, tag, lanes }: PendingTags,
): Promise<Uint8Array> {
  const { memory } = session;
  const mark = memory.mark();
  const load = ({ a, b }: ShareCopies): Shares => {
    const loaded = session.allocate(a.length);
    memory.bytes(loaded.a, a.length).set(a);
    memory.bytes(loaded.b, b.length).set(b);
    return loaded;
  };
  const state = load(states);
  const key = load(keys);
  const received = memory.allocate(tag.length);
  memory.bytes(received, tag.length).set(tag);

  const equal = await equalTags(session, state, key, received, lanes);
  const bits = await reveal(session, equal, planeWords(lanes) * WORD_BYTES);
  memory.release(mark);
  return Uint8Array.from({ length: lanes }, (_, lane) => (bits[lane >> 3] >> (lane & 7)) & 1);
}

/** to ^= from */
function xorRows(session: Session, from: Shares, to: Shares, length: number): void {
  xor(session, from, to, to, length);
}

/** XORs public bytes in memory into shares. */
function xorPublicRows(session: Session, from: number, to: Shares, length: number): void {
  const { kernels, constantMask } = session;
  for (const share of ['a', 'b'] as const) {
    if (constantMask[share]) kernels.xorBytes(to[share], from, to[share], length);
  }
}

/** XORs one public 64-bit word into every lane of a row. */
function xorWord(session: Session, to: Shares, lanes: number, { low, high }: HalvedWord): void {
  const { kernels, constantMask } = session;
  for (const share of ['a', 'b'] as const) {
    if (constantMask[share]) kernels.xorConstant(to[share], lanes, low, high);
  }
}

/** Padding after `length` bytes of a block: a one bit. */
function pad(session: Session, state: Shares, lanes: number, length: number): void {
  const bit = 1 << ((length & 3) * 8);
  const word = (length & 4) === 0 ? { low: bit, high: 0 } : { low: 0, high: bit };
  xorWord(session, row(state, length >> 3, lanes * LANE_BYTES), lanes, word);
}

/** Pointers to the public fields of a batch as rows of 64-bit words, one lane for each message. */
interface PublicRows {
  nonce: number;
  associatedData: number;
  ciphertext: number;
  tag: number;
}

/** @throws RangeError when associated data has more than one block with its padding */
function publicRows(session: Session, messages: SealedMessage[], lanes: number): PublicRows {
  const { memory, kernels } = session;
  const [{ ciphertext, associatedData }] = messages;
  if (associatedData.length >= RATE_BYTES)
    throw new RangeError('associated data of one block only');
  const ciphertextBytes = Math.ceil(ciphertext.length / LANE_BYTES) * LANE_BYTES;
  const tagAt = 2 * RATE_BYTES + ciphertextBytes;
  const messageBytes = tagAt + RATE_BYTES;
  const rows = memory.allocate(lanes * messageBytes);
  const mark = memory.mark();
  const packed = memory.allocateZeros(lanes * messageBytes);
  const bytes = memory.bytes(packed, lanes * messageBytes);
  messages.forEach((message, lane) => {
    const at = lane * messageBytes;
    bytes.set(message.nonce, at);
    bytes.set(message.associatedData, at + RATE_BYTES);
    bytes.set(message.ciphertext, at + 2 * RATE_BYTES);
    bytes.set(message.tag, at + tagAt);
  });
  kernels.rowsFromMessages(packed, lanes, messageBytes / LANE_BYTES, rows);
  memory.release(mark);
  return {
    nonce: rows,
    associatedData: rows + RATE_BYTES * lanes,
    ciphertext: rows + 2 * RATE_BYTES * lanes,
    tag: rows + tagAt * lanes,
  };
}

/** Gate i of the S-box is (not x_i) x_(i+1) on whole rows; `asconBegin` leaves its operands in the state. */
function recordGates(
  log: GateLog,
  state: Shares,
  zeros: Shares,
  lanes: number,
  first: number,
): void {
  const length = lanes * LANE_BYTES;
  for (let i = first; i < ROWS; i++) {
    const x = row(state, i, length);
    const y = row(state, (i + 1) % ROWS, length);
    log.record(x, y, row(zeros, i, length), length, true);
  }
}

/** @param publicWord what row 1 of the state is in every lane, if all know it: a row of words */
async function permute(
  session: Session,
  state: Shares,
  lanes: number,
  rounds: number,
  publicWord?: number,
): Promise<void> {
  const { memory, kernels, zero, constantMask, log } = session;
  const { a: maskA, b: maskB } = constantMask;
  const row8 = LANE_BYTES * lanes;
  const length = ROWS * row8;
  const mark = memory.mark();
  const own = memory.allocate(length);
  const received = memory.allocate(length);
  let known = publicWord;
  const zeros = { a: zero.own.fill(length), b: zero.next.fill(length) };
  const constants = ROUND_CONSTANTS.slice(-rounds);
  for (const [round, constant] of constants.entries()) {
    const first = known === undefined ? 0 : PUBLIC_ROWS;
    const sent = (ROWS - first) * row8;
    kernels.asconBegin(state.a, state.b, lanes, constant, maskA, maskB, zeros.a, zeros.b, own);
    const exchanged = session.exchange(
      'previous',
      own + first * row8,
      sent,
      received + first * row8,
    );
    // While the message is on its way.
    if (log) recordGates(log, state, zeros, lanes, first);
    if (round < constants.length - 1) {
      zero.own.write(zeros.a, length);
      zero.next.write(zeros.b, length);
    }
    await exchanged;
    log?.received(received + first * row8, sent);
    if (known !== undefined) {
      kernels.asconPublic(state.a, known, lanes, maskA, own);
      kernels.asconPublic(state.b, known, lanes, maskB, received);
      known = undefined;
    }
    kernels.asconEnd(state.a, state.b, lanes, maskA, maskB, own, received);
  }
  memory.release(mark);
}
