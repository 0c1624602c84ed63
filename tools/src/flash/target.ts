/** A board as flashing sees it. */
import type { Settings } from '@mozaik/firmware/flash';

export interface Target {
  /** Finds the tools and the port. @throws MozaikError TOOL_MISSING, PORT_MISSING */
  check: () => void;
  /** Builds what is no secret. @returns what it is, for people */
  build: () => Promise<string[]>;
  /** What `write` does, for people. */
  plan: () => string[];
  /** Writes the code and the settings. @throws MozaikError BOARD_FAILED, PORT_MISSING */
  write: (settings: Settings, signal: AbortSignal) => Promise<void>;
  /** Has the board test itself. @throws MozaikError BOARD_FAILED */
  selfTest: (signal: AbortSignal) => Promise<SelfTest>;
}

export interface SelfTest {
  /** What the board's cipher runs through. */
  cipher: string;
  /** The id that the board derives from its key, 16 bytes. */
  device: Uint8Array;
}
