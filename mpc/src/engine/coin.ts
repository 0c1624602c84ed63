/**
 * Malicious with abort, 1 of 3 corrupted: coins that all parties know, and nobody beforehand. A party may
 * tell its neighbours different ones: coins go into a transcript, which is compared before anything is
 * opened that they do not mask.
 */
import { createHash, randomBytes } from 'node:crypto';
import { equalBytes, MozaikError } from '@mozaik/protocol';
import type { Cost } from './binary.ts';
import { rotateBoth } from './channel.ts';
import { Generator } from './generator.ts';
import type { Session } from './session.ts';
import type { Transcript } from './transcript.ts';

export const COIN_BYTES = 32;

export const COIN_COST: Cost = { rounds: 2, bytes: 4 * COIN_BYTES };

/** What a coin is used for; each purpose has a stream of its own. */
const COIN_PURPOSE = { dense: 0, gates: 1 } as const;

function commitment(coin: Uint8Array, party: number): Uint8Array {
  return createHash('sha256')
    .update('mozaik/coin/1')
    .update(Uint8Array.of(party))
    .update(coin)
    .digest();
}

/**
 * Tosses 32 bytes by commit and reveal: 2 rounds, 128 bytes per party. Commitments are SHA-256 of 32
 * random bytes with the sender's index. No party reveals before it has received every message up to here,
 * so the coin is independent of all values shared so far.
 *
 * @param opened to be compared before the coin may matter
 * @throws MozaikError PEER_CHEATED when a coin is not the one that was committed to
 */
export async function tossCoin(
  { channel }: Session,
  opened: Transcript,
  random: (length: number) => Uint8Array = randomBytes,
): Promise<Uint8Array> {
  const { index } = channel;
  const own = random(COIN_BYTES);
  const commit = commitment(own, index);
  const commits = await rotateBoth(channel, commit, commit);
  const revealed = await rotateBoth(channel, own, own);
  const coins: Uint8Array[] = [];
  coins[index] = own;
  for (const [coin, party, committed] of [
    [revealed.previous, (index + 2) % 3, commits.previous],
    [revealed.next, (index + 1) % 3, commits.next],
  ] as const) {
    if (!equalBytes(commitment(coin, party), committed)) {
      throw new MozaikError('PEER_CHEATED', 'a coin is not the one that was committed to');
    }
    coins[party] = coin;
  }
  const joint = createHash('sha256').update('mozaik/joint-coin/1');
  for (const coin of coins) joint.update(coin);
  const result = joint.digest();
  opened.addToAll(result);
  return result;
}

/** Pointer to `length` bytes that all parties derive from a coin. */
export const expandCoin = (
  { memory }: Session,
  coin: Uint8Array,
  purpose: keyof typeof COIN_PURPOSE,
  length: number,
): number => new Generator(memory, coin, COIN_PURPOSE[purpose]).fill(length);

/** Cost of {@link lateCoin}. */
export const lateCoinCost = (length: number): Required<Cost> => ({
  rounds: 1,
  bytes: length,
  gates: 0,
  advised: 0,
});

/**
 * Tosses `length` bytes, of three parts that are two parties' common randomness each: the previous party
 * tells the part that one lacks. So the coin is independent only of what each party has sent to its
 * previous one, and of whatever was fixed before {@link tossCoin}.
 *
 * @param opened to be compared before the coin may matter
 * @returns pointer
 */
export async function lateCoin(
  session: Session,
  opened: Transcript,
  length: number,
): Promise<number> {
  const { memory, kernels, proof } = session;
  const [own, coin] = [proof.own.fill(length), proof.next.fill(length)];
  const missing = memory.allocate(length);
  await session.exchange('next', own, length, missing);
  kernels.xorBytes(coin, own, coin, length);
  kernels.xorBytes(coin, missing, coin, length);
  opened.addToAll(memory.bytes(coin, length));
  return coin;
}
