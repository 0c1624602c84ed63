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
