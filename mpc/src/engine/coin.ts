/**
 * Malicious with abort, 1 of 3 corrupted: tossing a coin of 32 bytes by commit and reveal, and comparing
 * it. 6 rounds, 192 bytes per party. Commitments are SHA-256 of 32 random bytes with the sender's index.
 * A party may tell its neighbours different coins: they notice before the coin is used.
 */
import { createHash, randomBytes } from 'node:crypto';
import { equalBytes, MozaikError } from '@mozaik/protocol';
import type { Cost } from './binary.ts';
import type { Channel } from './channel.ts';

export const COIN_BYTES = 32;

export const COIN_COST: Cost = { rounds: 6, bytes: 6 * COIN_BYTES };

function commitment(coin: Uint8Array, party: number): Uint8Array {
  return createHash('sha256')
    .update('mozaik/coin/1')
    .update(Uint8Array.of(party))
    .update(coin)
    .digest();
}

/**
 * @param random source of this party's coin; a test may inject one
 * @throws MozaikError PEER_CHEATED when a coin is not the one that was committed to, or the others have
 *   another one
 */
export async function tossCoin(
  channel: Channel,
  random: (length: number) => Uint8Array = randomBytes,
): Promise<Uint8Array> {
  const { index } = channel;
  const own = random(COIN_BYTES);
  const commit = commitment(own, index);
  const previousCommit = await channel.rotate('next', commit, COIN_BYTES);
  const nextCommit = await channel.rotate('previous', commit, COIN_BYTES);
  const previous = await channel.rotate('next', own, COIN_BYTES);
  const next = await channel.rotate('previous', own, COIN_BYTES);
  const coins: Uint8Array[] = [];
  coins[index] = own;
  for (const [coin, party, committed] of [
    [previous, (index + 2) % 3, previousCommit],
    [next, (index + 1) % 3, nextCommit],
  ] as const) {
    if (!equalBytes(commitment(coin, party), committed)) {
      throw new MozaikError('PEER_CHEATED', 'a coin is not the one that was committed to');
    }
    coins[party] = coin;
  }
  const joint = createHash('sha256').update('mozaik/joint-coin/1');
  for (const coin of coins) joint.update(coin);
  const result = joint.digest();
  const fromPrevious = await channel.rotate('next', result, COIN_BYTES);
  const fromNext = await channel.rotate('previous', result, COIN_BYTES);
  if (!equalBytes(fromPrevious, result) || !equalBytes(fromNext, result)) {
    throw new MozaikError('PEER_CHEATED', 'the parties hold different coins');
  }
  return result;
}
