/** What a check of the maliciously secure path needs of the session's verification. */
import type { Shares } from './session.ts';

export interface Checks {
  /**
   * 32 bytes tossed jointly. No party takes part before it has received every message up to here, so
   * they are independent of all values shared so far.
   */
  coin(): Promise<Uint8Array>;
  /** Opens `count` words modulo 2^32 to all parties; that all see the true ones is verified later. */
  openWords(x: Shares, count: number): Promise<Uint32Array>;
  /**
   * To be verified before anything is output: that each of `count` shared words is zero modulo 2^32.
   * Reads the shares at once; their memory may be released afterwards.
   */
  expectZeroWords(x: Shares, count: number): void;
}
