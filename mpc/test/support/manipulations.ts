/** Random cheats, each at one message. */
import type { Cheat, Outgoing } from './attack.ts';
import type { Random } from './random.ts';

/** Does something to one outgoing message; `undefined` hangs up. */
type Alteration = (outgoing: Outgoing, random: Random) => Uint8Array | Uint8Array[] | undefined;

const FLIPS_MAX = 40;

function flip(bytes: Uint8Array, at: number): void {
  if (bytes.length > 0) bytes[at >> 3] ^= 1 << (at & 7);
}

function flipSome(bytes: Uint8Array, random: Random): void {
  for (let n = 1 + random.below(FLIPS_MAX); n > 0; n--) flip(bytes, random.below(8 * bytes.length));
}

/** One of `candidates` that has the length of `message`, or random bytes. */
function another(candidates: readonly Uint8Array[], message: Uint8Array, random: Random) {
  const fitting = candidates.filter(({ length }) => length === message.length);
  return fitting.length > 0 ? random.pick(fitting) : random.bytes(message.length);
}

/** Alterations of a message that do not need the others that the cheater sends. */
const ALTERATIONS = {
  'flip a bit': ({ message }, random) => {
    flip(message, random.below(8 * message.length));
    return message;
  },
  'flip bits': ({ message }, random) => {
    flipSome(message, random);
    return message;
  },
  'flip bits and go on with them': ({ own }, random) => {
    flipSome(own, random);
    return own.slice();
  },
  'random bytes': ({ message }, random) => random.bytes(message.length),
  zeros: ({ message }) => message.fill(0),
  'send back what was received': ({ message, received }, random) =>
    another(received, message, random),
  'hang up': () => undefined,
  truncate: ({ message }, random) => message.subarray(0, random.below(message.length)),
  extend: ({ message }, random) =>
    Uint8Array.of(...message.subarray(0, 16), ...message, random.below(256)),
  'leave out': () => [],
} satisfies Record<string, Alteration>;

export const SORTS = [...Object.keys(ALTERATIONS), 'replay', 'swap with the next'] as Sort[];
/** Those after which the protocol goes on: what was sent has the right length. */
export const SILENT_SORTS: Sort[] = SORTS.filter(
  (sort) => !['hang up', 'truncate', 'extend', 'leave out', 'swap with the next'].includes(sort),
);
export type Sort = keyof typeof ALTERATIONS | 'replay' | 'swap with the next';

/** Manipulates message `target` of the cheater. */
export function manipulation(sort: Sort, target: number, random: Random): Cheat {
  if (sort === 'replay') return replay(target, random);
  if (sort === 'swap with the next') return swap(target);
  const alter: Alteration = ALTERATIONS[sort];
  return (outgoing) => (outgoing.number === target ? alter(outgoing, random) : outgoing.message);
}

/** Sends an earlier message of the same length again. */
function replay(target: number, random: Random): Cheat {
  const sent: Uint8Array[] = [];
  return ({ number, message }) => {
    if (number === target) return another(sent, message, random);
    if (number < target) sent.push(message);
    return message;
  };
}

/** Holds a message back and sends it after the next one to the same party. */
function swap(target: number): Cheat {
  let held: { direction: Outgoing['direction']; message: Uint8Array } | undefined;
  return ({ number, direction, message }) => {
    if (number === target) {
      held = { direction, message };
      return [];
    }
    if (held?.direction !== direction) return message;
    const late = held.message;
    held = undefined;
    return [message, late];
  };
}

/** Where most of what will still be used lies: what was allocated last. */
const RECENT_BYTES = 1 << 14;

/** Alters the cheater's own memory before message `target`: one word in all of it, or in its end. */
export function memoryLie(target: number, random: Random): Cheat {
  return (outgoing) => {
    const { number, session, own } = outgoing;
    if (number !== target || !session) return outgoing.message;
    const { memory, kernels } = session;
    const [base, top] = [kernels.heapBase.value as number, memory.mark()];
    const from = random.below(2) === 0 ? base : Math.max(base, top - RECENT_BYTES);
    const word = random.pick([1, 4, 16, 64]);
    const at = from + random.below(top - from - word);
    memory.bytes(at, word).set(random.bytes(word));
    return own.slice();
  };
}
