/**
 * Roles in steps that treat the three shares unlike. For share index h, the holder is party h (who
 * holds shares h and h + 1), the receiver is party h + 1 and the helper is party h + 2; the latter two
 * both hold share h + 2. Work is cut into three segments and each party is holder of one, so that all
 * send about the same.
 */
import type { Cost } from './binary.ts';
import type { PartyIndex } from './channel.ts';
import type { Session } from './session.ts';

/** Values to a word of a bit plane. */
const PLANE_BITS = 32;

/** Words of 32 bits in a plane over `count` values. */
export const planeWords = (count: number): number => Math.ceil(count / PLANE_BITS);

export type Role = 'holder' | 'receiver' | 'helper';

export interface Segment {
  role: Role;
  /** Values or words first <= n < last. */
  first: number;
  last: number;
}

/** Cuts `count` into thirds: where the segment of holder `h` begins; `h` = 3 is the end. */
const segmentStart = (count: number, h: number): number => Math.floor((count * h) / 3);

/** A party's segments, each with its role: as holder, as receiver and as helper. */
export function segments(index: PartyIndex, count: number): Record<Role, Segment> {
  const segment = (role: Role, holder: number): Segment => ({
    role,
    first: segmentStart(count, holder),
    last: segmentStart(count, holder + 1),
  });
  return {
    holder: segment('holder', index),
    receiver: segment('receiver', (index + 2) % 3),
    helper: segment('helper', (index + 1) % 3),
  };
}

/** Segments of `count` values that are cut where planes are: at multiples of 32 values. */
export function valueSegments(index: PartyIndex, count: number): Record<Role, Segment> {
  const words = segments(index, planeWords(count));
  const scale = ({ role, first, last }: Segment): Segment => ({
    role,
    first: Math.min(count, first * PLANE_BITS),
    last: Math.min(count, last * PLANE_BITS),
  });
  return {
    holder: scale(words.holder),
    receiver: scale(words.receiver),
    helper: scale(words.helper),
  };
}

/** Number of values or words in a segment. */
export const segmentSize = ({ first, last }: Segment): number => last - first;

/** Cost of {@link holderRound}. */
export const holderCost = ({ holder }: Record<Role, Segment>, bytesPerUnit: number): Cost => ({
  rounds: 1,
  bytes: segmentSize(holder) * bytesPerUnit,
});

/**
 * The message of a role round: each holder sends `bytesPerUnit` for each unit of its segment to its
 * receiver. `send` and `receive` are in memory; returns when `receive` is filled.
 */
export async function holderRound(
  session: Session,
  { holder, receiver }: Record<Role, Segment>,
  bytesPerUnit: number,
  send: number,
  receive: number,
): Promise<void> {
  await session.exchange(
    'next',
    send,
    segmentSize(holder) * bytesPerUnit,
    receive,
    segmentSize(receiver) * bytesPerUnit,
  );
}
