/**
 * A cheating party. It runs the honest code, but what it sends is altered on the way out, what it holds
 * may be altered between rounds, and it goes on whatever it notices: only the honest parties' checks end
 * a run. The network is the worst that honest parties can meet: nothing tells one that another has
 * stopped before it waits for it in vain.
 */
import { MozaikError } from '@mozaik/protocol';
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Channel, Direction, PartyIndex } from '../../src/engine/channel.ts';
import { Session } from '../../src/engine/session.ts';
import { Transcript } from '../../src/engine/transcript.ts';

/** A message that the cheater is about to send. */
export interface Outgoing {
  /** Counts the cheater's messages from 0. */
  number: number;
  direction: Direction;
  /** A copy of the message, to be altered in place or replaced by what {@link Cheat} returns. */
  message: Uint8Array;
  /** The message in the cheater's own memory: if it is altered, the cheater goes on with what it sent. */
  own: Uint8Array;
  /** All that the cheater has received. */
  received: readonly Uint8Array[];
  /** The cheater's session, once it is open. */
  session: Session | undefined;
}

/** Returns what is sent instead, or several messages, or none; `undefined` hangs up. */
export type Cheat = (outgoing: Outgoing) => Uint8Array | Uint8Array[] | undefined;

export const HONEST: Cheat = ({ message }) => message;

/** Outcome at one party. */
export type Outcome<T> = { value: T } | { error: unknown };

export interface Attack<T> {
  /** Outcomes of the two honest parties, in the order of their indices. */
  outcomes: Outcome<T>[];
  /** How many messages each of the honest parties sent. */
  honestMessages: number[];
  /** How many messages the cheater was about to send. */
  messages: number;
}

interface Waiting {
  resolve: (message: Uint8Array) => void;
  reject: (error: Error) => void;
}

const lost = (): MozaikError => new MozaikError('PEER_LOST');

/** Ordered links between three parties. */
class Network {
  readonly #queues = Array.from({ length: 9 }, (): Uint8Array[] => []);
  /** By link: who waits for a message on it. */
  readonly #waiting = new Map<number, Waiting>();
  readonly #closed = [false, false, false];

  send(from: number, to: number, message: Uint8Array): void {
    const link = 3 * from + to;
    const waiting = this.#waiting.get(link);
    if (waiting) {
      this.#waiting.delete(link);
      waiting.resolve(message);
    } else {
      this.#queues[link].push(message);
    }
  }

  receive(from: number, to: number): Promise<Uint8Array> {
    const message = this.#queues[3 * from + to].shift();
    if (message) return Promise.resolve(message);
    return new Promise((resolve, reject) => {
      this.#waiting.set(3 * from + to, { resolve, reject });
      this.#endVainWaits();
    });
  }

  /** Party `index` has stopped: what it sent before still arrives. */
  close(index: number): void {
    this.#closed[index] = true;
    for (const link of this.#waiting.keys()) if (link % 3 === index) this.#waiting.delete(link);
    this.#endVainWaits();
  }

  /** Ends waits for who has stopped. When all wait, nothing will come: their timeouts would end them. */
  #endVainWaits(): void {
    const waits = new Set([...this.#waiting.keys()].map((link) => link % 3));
    const stalled = this.#closed.every((closed, i) => closed || waits.has(i));
    for (const [link, waiting] of this.#waiting) {
      if (!stalled && !this.#closed[Math.floor(link / 3)]) continue;
      this.#waiting.delete(link);
      waiting.reject(lost());
    }
  }
}

/** Whose code runs: true at the cheater, who does not mind what a comparison tells. */
const cheating = new AsyncLocalStorage<boolean>();

type Compare = (this: Transcript, ...args: unknown[]) => Promise<void>;
const compare: Compare = Reflect.get(Transcript.prototype, 'compare');
Transcript.prototype.compare = async function (this: Transcript, ...args: unknown[]) {
  try {
    await compare.apply(this, args);
  } catch (error) {
    const noticed = error instanceof MozaikError && error.code === 'PEER_CHEATED';
    if (!noticed || !cheating.getStore()) throw error;
  }
};

/**
 * Runs `party` at all three; `cheater` alters what it sends or holds.
 * @param random source of each party's session seed
 */
export async function attacked<T>(
  cheater: PartyIndex,
  cheat: Cheat,
  party: (session: Session) => Promise<T>,
  random?: (index: PartyIndex) => (length: number) => Uint8Array,
): Promise<Attack<T>> {
  const network = new Network();
  const sent = [0, 0, 0];
  const received: Uint8Array[] = [];
  let session: Session | undefined;

  const channel = (index: PartyIndex): Channel => ({
    index,
    meter: { rounds: 0, bytesSent: 0 },
    async rotate(direction, own, length) {
      const step = direction === 'next' ? 1 : 2;
      const number = sent[index]++;
      const message = Uint8Array.from(own);
      let messages: Uint8Array | Uint8Array[] | undefined = message;
      if (index === cheater) {
        messages = cheat({ number, direction, message, own, received, session });
        if (!messages) throw lost();
      }
      for (const part of Array.isArray(messages) ? messages : [messages]) {
        network.send(index, (index + step) % 3, part);
      }
      const answer = await network.receive((index + 3 - step) % 3, index);
      if (answer.length !== length) throw new MozaikError('PEER_PROTOCOL');
      if (index === cheater) received.push(answer);
      return answer;
    },
  });

  const run = async (index: PartyIndex): Promise<Outcome<T>> => {
    let opened: Session | undefined;
    try {
      opened = await Session.open(channel(index), random?.(index));
      if (index === cheater) {
        session = opened;
        const kernels = { ...session.kernels, isProduct: () => 1 };
        Object.assign(session, { kernels });
      }
      return { value: await party(opened) };
    } catch (error) {
      return { error };
    } finally {
      network.close(index);
      opened?.close();
    }
  };
  const all = await Promise.all(
    ([0, 1, 2] as const).map((index) => cheating.run(index === cheater, run, index)),
  );
  const honest = <U>(values: U[]): U[] => values.filter((_, index) => index !== cheater);
  return { outcomes: honest(all), honestMessages: honest(sent), messages: sent[cheater] };
}
