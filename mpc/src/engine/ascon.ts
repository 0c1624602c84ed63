/**
 * Semi-honest, 1 of 3 corrupted: Ascon-AEAD128 decryption (NIST SP 800-232) under a shared key, many
 * messages side by side, one lane each. Nonces, associated data and ciphertexts are public; key, state
 * and plaintext are shared. Five word-ANDs and one round of communication per round of the
 * permutation, by the AND of Araki et al. 2016.
 */
import { revealCost, reveal, and, andCost, not, sumCosts, type Cost } from './binary.ts';
import { row } from './carry.ts';
import { planeWords } from './roles.ts';
import { WORD_BYTES } from './ring.ts';
import type { Session, Shares } from './session.ts';

/** First byte pair of IV: SP 800-232, table 14, as a little-endian word: 0x00001000808c0001. */
const INITIAL_VALUE = new Uint8Array([0x01, 0x00, 0x8c, 0x80, 0x00, 0x10, 0x00, 0x00]);
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
  const { memory } = session;
  const messageBytes = messages[0].ciphertext.length;
  const row8 = lanes * LANE_BYTES;
  const words = Math.ceil(messageBytes / 8);
  const plaintext = session.allocateZeros(words * row8);
  const tagDifference = session.allocate(2 * row8);
  const mark = memory.mark();
  const state = session.allocateZeros(ROWS * row8);

  /** Bytes [from, to) of a public field of each message, at the same place of the lane's word. */
  const gather = (field: (message: SealedMessage) => Uint8Array, from: number, to: number) => {
    const bytes = new Uint8Array(row8);
    messages.forEach((message, lane) =>
      bytes.set(field(message).subarray(from, to), lane * LANE_BYTES),
    );
    return bytes;
  };
  const fill = (pattern: Uint8Array, at = 0) => {
    const bytes = new Uint8Array(row8);
    for (let lane = 0; lane < lanes; lane++) bytes.set(pattern, lane * LANE_BYTES + at);
    return bytes;
  };
  const stateRow = (n: number) => row(state, n, row8);
  const addKey = (first: number) => {
    addRow(session, row(key, 0, row8), stateRow(first), row8);
    addRow(session, row(key, 1, row8), stateRow(first + 1), row8);
  };

  // Initialisation, SP 800-232 section 4.1.1.
  addPublic(session, stateRow(0), fill(INITIAL_VALUE));
  addKey(1);
  addPublic(
    session,
    stateRow(3),
    gather(({ nonce }) => nonce, 0, 8),
  );
  addPublic(
    session,
    stateRow(4),
    gather(({ nonce }) => nonce, 8, 16),
  );
  await permute(session, state, lanes, ROUNDS.full);
  addKey(3);

  // Associated data: one padded block.
  const adLength = messages[0].associatedData.length;
  if (adLength >= RATE_BYTES) throw new RangeError('associated data of one block only');
  addPublic(
    session,
    stateRow(0),
    gather(({ associatedData }) => associatedData, 0, 8),
  );
  addPublic(
    session,
    stateRow(1),
    gather(({ associatedData }) => associatedData, 8, adLength),
  );
  addPublic(session, stateRow(adLength >> 3), fill(Uint8Array.of(1), adLength & 7));
  await permute(session, state, lanes, ROUNDS.block);
  addPublic(session, stateRow(4), fill(Uint8Array.of(0x80), 7));

  // Ciphertext: the plaintext is the rate XOR the ciphertext, which then takes the rate's place.
  for (let word = 0; word < words; word++) {
    const length = Math.min(8, messageBytes - word * 8);
    const ciphertext = gather((message) => message.ciphertext, word * 8, word * 8 + length);
    const rate = stateRow(word & 1);
    const plain = row(plaintext, word, row8);
    absorbWord(session, rate, plain, ciphertext, length);
    if (word & 1 && (word + 1) * 8 <= messageBytes) {
      await permute(session, state, lanes, ROUNDS.block);
    }
  }
  const rest = messageBytes % RATE_BYTES;
  addPublic(session, stateRow(rest >> 3), fill(Uint8Array.of(1), rest & 7));

  // Finalisation.
  addKey(2);
  await permute(session, state, lanes, ROUNDS.full);
  addKey(3);
  addPublic(
    session,
    stateRow(3),
    gather(({ tag }) => tag, 0, 8),
  );
  addPublic(
    session,
    stateRow(4),
    gather(({ tag }) => tag, 8, 16),
  );
  for (const share of ['a', 'b'] as const) {
    memory
      .bytes(tagDifference[share], 2 * row8)
      .set(memory.bytes(state[share] + 3 * row8, 2 * row8));
  }
  memory.release(mark);
  return { plaintext, tagDifference };
}

/** plain = rate ^ ciphertext and rate = ciphertext, in the first `length` bytes of each lane. */
function absorbWord(
  session: Session,
  rate: Shares,
  plain: Shares,
  ciphertext: Uint8Array,
  length: number,
): void {
  const { memory, constantMask } = session;
  for (const share of ['a', 'b'] as const) {
    const rateBytes = memory.bytes(rate[share], ciphertext.length);
    const plainBytes = memory.bytes(plain[share], ciphertext.length);
    const absorbs = constantMask[share] !== 0;
    for (let lane = 0; lane < ciphertext.length; lane += LANE_BYTES) {
      for (let i = lane; i < lane + length; i++) {
        const c = absorbs ? ciphertext[i] : 0;
        plainBytes[i] = rateBytes[i] ^ c;
        rateBytes[i] = c;
      }
    }
  }
}

function addRow(session: Session, from: Shares, to: Shares, length: number): void {
  session.kernels.xorBytes(from.a, to.a, to.a, length);
  session.kernels.xorBytes(from.b, to.b, to.b, length);
}

function addPublic(session: Session, to: Shares, bytes: Uint8Array): void {
  const { memory, constantMask } = session;
  for (const share of ['a', 'b'] as const) {
    if (constantMask[share] === 0) continue;
    const target = memory.bytes(to[share], bytes.length);
    for (let i = 0; i < bytes.length; i++) target[i] ^= bytes[i];
  }
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
