/**
 * A connection to one board, whatever carries it: whole packets, in order, of at most
 * {@link PACKET_MAX_BYTES} bytes. What a packet holds is in the firmware's `fragment.ts`.
 */
import { FRAGMENT_BYTES } from '@mozaik/firmware';

export const PACKET_MAX_BYTES = 1 + FRAGMENT_BYTES;

export interface PacketLink {
  /** For people, such as `tcp 127.0.0.1:50123`. */
  readonly name: string;
  /** Sends or queues a packet. What cannot be sent any more is dropped. */
  send: (packet: Uint8Array) => void;
  /** Ends the connection; `onClose` follows. */
  close: () => void;
  /** Set by the gateway: a packet came. */
  onPacket: (packet: Uint8Array) => void;
  /** Set by the gateway: the connection is over. Called once. */
  onClose: () => void;
}

/** Boards come through this, over and over, until it is closed. */
export interface LinkSource {
  close: () => Promise<void>;
}

export type AcceptLink = (link: PacketLink) => void;
