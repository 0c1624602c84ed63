/**
 * A cheating party: it runs the honest code, but what it sends is altered on the way out. Honest parties
 * run to their end or abort; an abort of one ends the connections of all, as over sockets.
 */
import { MozaikError } from '@mozaik/protocol';
import type { Channel, Direction, PartyIndex } from '../../src/engine/channel.ts';
import { Session } from '../../src/engine/session.ts';
import { localChannels } from './local.ts';

/** A message that the cheater is about to send. */
export interface Outgoing {
  /** Counts the cheater's messages from 0. */
  number: number;
  direction: Direction;
  /** Altered in place, or replaced by what {@link Cheat} returns. */
  message: Uint8Array;
}

/** Returns what is sent instead; `undefined` hangs up. */
export type Cheat = (outgoing: Outgoing) => Uint8Array | undefined;

export const HONEST: Cheat = ({ message }) => message;

/** Outcome at one honest party. */
export type Outcome<T> = { value: T } | { error: unknown };

class Ending {
  readonly #waiting = new Set<(error: Error) => void>();
  #ended = false;

  /** Rejects when the run ends before `promise` settles. */
  guard<T>(promise: Promise<T>): Promise<T> {
    if (this.#ended) return Promise.reject(new MozaikError('PEER_LOST'));
    return new Promise((resolve, reject) => {
      this.#waiting.add(reject);
      promise.then(resolve, reject).finally(() => this.#waiting.delete(reject));
    });
  }

  end(): void {
    this.#ended = true;
    for (const reject of this.#waiting) reject(new MozaikError('PEER_LOST'));
    this.#waiting.clear();
  }
}

/**
 * Runs `party` at all three; `cheater` alters what it sends.
 * @returns the outcome of the two honest parties, and how many messages the cheater sent
 */
export async function attacked<T>(
  cheater: PartyIndex,
  cheat: Cheat,
  party: (session: Session) => Promise<T>,
): Promise<{ outcomes: Outcome<T>[]; messages: number }> {
  const ending = new Ending();
  let messages = 0;
  const channels = localChannels().map((channel): Channel => {
    return {
      index: channel.index,
      meter: channel.meter,
      rotate(direction, message, length) {
        let sent: Uint8Array | undefined = message;
        if (channel.index === cheater) {
          sent = cheat({ number: messages++, direction, message: Uint8Array.from(message) });
          if (!sent) {
            ending.end();
            return Promise.reject(new MozaikError('PEER_LOST'));
          }
        }
        return ending.guard(
          channel.rotate(direction, sent, length).catch((error: unknown) => {
            ending.end();
            throw error;
          }),
        );
      },
    };
  });
  const outcomes = await Promise.all(
    channels.map(async (channel): Promise<Outcome<T>> => {
      try {
        return { value: await party(await Session.open(channel)) };
      } catch (error) {
        ending.end();
        return { error };
      }
    }),
  );
  return { outcomes: outcomes.filter((_, index) => index !== cheater), messages };
}
