/**
 * Semi-honest, 1 of 3 corrupted: Ascon-AEAD128 decryption (NIST SP 800-232) under a shared key, many
 * messages side by side, one lane each. Nonces, associated data and ciphertexts are public; key, state
 * and plaintext are shared. Five word-ANDs and one round of communication per round of the
 * permutation, by the AND of Araki et al. 2016.
 */
import { and, andCost, not, reveal, revealCost, sumCosts, xor, type Cost } from './binary.ts';
import { row } from './carry.ts';
import { planeWords } from './roles.ts';
import { WORD_BYTES } from './ring.ts';
import type { Session, Shares } from './session.ts';

/** SP 800-232, section 4.1: 0x00001000808c0001, as two halves. */
const INITIAL_VALUE = { low: 0x808c0001, high: 0x00001000 } as const;
/** Upper half of the state's last word: separates associated data and message. */
const DOMAIN_SEPARATION_HIGH = 0x80000000;
const RATE_BYTES = 16;
const LANE_BYTES = 8;
const ROWS = 5;
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

const permutationRounds = (messageBytes: number): number =>
  ROUNDS.full + ROUNDS.block + ROUNDS.block * Math.floor(messageBytes / RATE_BYTES) + ROUNDS.full;

export function decryptCost(messageBytes: number, lanes: number): Cost {
  const rounds = permutationRounds(messageBytes);
  return { rounds, bytes: rounds * ROWS * LANE_BYTES * lanes };
}

export interface Decryption {
  /** [ceil(messageBytes / 8)][lanes] 64-bit words, little-endian; bytes past the end are zero. */
  plaintext: Shares;
  /** [2][lanes] 64-bit words: computed tag XOR received tag. */
  tagDifference: Shares;
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
  const { memory, kernels, constantMask } = session;
  const messageBytes = messages[0].ciphertext.length;
  const row8 = lanes * LANE_BYTES;
  const words = Math.ceil(messageBytes / LANE_BYTES);
  const plaintext = session.allocate(words * row8);
  const tagDifference = session.allocate(2 * row8);
  const mark = memory.mark();
  const state = session.allocateZeros(ROWS * row8);
  const fields = publicRows(session, messages, lanes);
  const stateRow = (n: number) => row(state, n, row8);
  const addKey = (first: number) => {
    xor(session, row(key, 0, row8), stateRow(first), stateRow(first), row8);
    xor(session, row(key, 1, row8), stateRow(first + 1), stateRow(first + 1), row8);
  };
  /** XORs two public rows, or one public word, into the share that absorbs public values. */
  const addRows = (first: number, rows: number) => {
    for (const share of ['a', 'b'] as const) {
      const target = stateRow(first)[share];
      if (constantMask[share]) kernels.xorBytes(target, rows, target, 2 * row8);
    }
  };
  const addWord = (n: number, low: number, high: number) => {
    for (const share of ['a', 'b'] as const) {
      if (constantMask[share]) kernels.xorConstant(stateRow(n)[share], lanes, low, high);
    }
  };
  const pad = (length: number) => {
    const bit = 1 << ((length & 3) * 8);
    const upper = (length & 4) !== 0;
    addWord(length >> 3, upper ? 0 : bit, upper ? bit : 0);
  };

  // Initialisation, SP 800-232 section 4.1.1.
  addWord(0, INITIAL_VALUE.low, INITIAL_VALUE.high);
  addKey(1);
  addRows(3, fields.nonce);
  await permute(session, state, lanes, ROUNDS.full);
  addKey(3);

  // Associated data: one padded block.
  addRows(0, fields.associatedData);
  pad(messages[0].associatedData.length);
  await permute(session, state, lanes, ROUNDS.block);
  addWord(4, 0, DOMAIN_SEPARATION_HIGH);

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
        constantMask[share],
      );
    }
    if (word & 1 && (word + 1) * LANE_BYTES <= messageBytes) {
      await permute(session, state, lanes, ROUNDS.block);
    }
  }
  pad(messageBytes % RATE_BYTES);

  // Finalisation.
  addKey(2);
  await permute(session, state, lanes, ROUNDS.full);
  addKey(3);
  addRows(3, fields.tag);
  for (const share of ['a', 'b'] as const) {
    memory.bytes(tagDifference[share], 2 * row8).set(memory.bytes(stateRow(3)[share], 2 * row8));
  }
  memory.release(mark);
  return { plaintext, tagDifference };
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

async function permute(
  session: Session,
  state: Shares,
  lanes: number,
  rounds: number,
): Promise<void> {
  const { memory, kernels, zero, constantMask } = session;
  const { a: maskA, b: maskB } = constantMask;
  const length = ROWS * LANE_BYTES * lanes;
  const mark = memory.mark();
  const own = memory.allocate(length);
  const received = memory.allocate(length);
  for (const constant of ROUND_CONSTANTS.slice(-rounds)) {
    const takeMark = memory.mark();
    const zeroA = zero.own.take(length);
    const zeroB = zero.next.take(length);
    kernels.asconBegin(state.a, state.b, lanes, constant, maskA, maskB, zeroA, zeroB, own);
    await session.exchange('previous', own, length, received);
    kernels.asconEnd(state.a, state.b, lanes, maskA, maskB, own, received);
    memory.release(takeMark);
  }
  memory.release(mark);
}

export function tagCheckCost(lanes: number): Cost {
  const plane = planeWords(lanes) * WORD_BYTES;
  const levels: Cost[] = [];
  for (let planes = TAG_BITS / 2; planes >= 1; planes /= 2) levels.push(andCost(planes * plane));
  return sumCosts(...levels, revealCost(plane));
}

/**
 * Opens one bit for each message, whether its tag difference is zero, and nothing else: an AND tree
 * over the complemented bits.
 *
 * @returns for each lane 1 when the message is authentic, else 0
 */
export async function checkTags(
  session: Session,
  tagDifference: Shares,
  lanes: number,
): Promise<Uint8Array> {
  const { memory, kernels } = session;
  const mark = memory.mark();
  const words = planeWords(lanes);
  const plane = words * WORD_BYTES;
  const planes = session.allocate(TAG_BITS * plane);
  const row8 = lanes * LANE_BYTES;
  for (let half = 0; half < 2; half++) {
    const to = row(planes, half * 64, plane);
    kernels.planesFromWords64(tagDifference.a + half * row8, lanes, to.a, words);
    kernels.planesFromWords64(tagDifference.b + half * row8, lanes, to.b, words);
  }
  not(session, planes, TAG_BITS * plane);
  for (let half = (TAG_BITS / 2) * plane; half >= plane; half /= 2) {
    await and(session, [{ x: planes, y: row(planes, 1, half), out: planes }], half);
  }
  const bits = await reveal(session, planes, plane);
  memory.release(mark);
  return Uint8Array.from({ length: lanes }, (_, lane) => (bits[lane >> 3] >> (lane & 7)) & 1);
}
