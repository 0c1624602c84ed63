/** What a protocol step needs of a network: a ring of three parties that talk in rounds. */

/** A party's position in the protocol. */
export type PartyIndex = 0 | 1 | 2;

/** Direction in which every party sends in a round; it receives from the other side. */
export type Direction = 'next' | 'previous';

/** Counts of what this party did, for cost tests and reports. */
export interface Meter {
  rounds: number;
  bytesSent: number;
}

/** Point-to-point, authenticated, private and ordered channels to both neighbours. */
export interface Channel {
  readonly index: PartyIndex;
  readonly meter: Meter;
  /**
   * One round: sends `message` to one neighbour and waits for exactly `length` bytes from the other.
   * `message` must stay as it is until the promise settles.
   *
   * @throws MozaikError PEER_LOST when a peer is gone or too slow, PEER_PROTOCOL when it sends a
   *   message of another length
   */
  rotate(direction: Direction, message: Uint8Array, length: number): Promise<Uint8Array>;
}

/** One round: sends a message to each neighbour, and waits for as many bytes from either. */
export async function rotateBoth(
  channel: Channel,
  toNext: Uint8Array,
  toPrevious: Uint8Array,
): Promise<{ previous: Uint8Array; next: Uint8Array }> {
  const [previous, next] = await Promise.all([
    channel.rotate('next', toNext, toNext.length),
    channel.rotate('previous', toPrevious, toPrevious.length),
  ]);
  channel.meter.rounds--;
  return { previous, next };
}
