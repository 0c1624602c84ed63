/** What a check of the maliciously secure path needs of the session's verification. */
import type { Shares } from './session.ts';

export interface Checks {
  /**
   * Pointer to `length` bytes tossed jointly: independent of the messages that each party has sent to its
   * previous one so far.
   */
  lateCoin(length: number): Promise<number>;
  /** Opens `count` words modulo 2^32 to all parties; that all see the true ones is verified later. */
  openWords(x: Shares, count: number): Promise<Uint32Array>;
  /**
   * To be verified before anything is output: that each of `count` shared words is zero modulo 2^32.
   * Reads the shares at once; their memory may be released afterwards.
   */
  expectZeroWords(x: Shares, count: number): void;
}
