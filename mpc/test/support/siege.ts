/** Attacks the whole analysis, again and again, and judges what becomes of it. */
import { equalBytes, MozaikError } from '@mozaik/protocol';
import { isDeepStrictEqual } from 'node:util';
import type { PartyIndex } from '../../src/engine/channel.ts';
import type { ClassificationShares } from '../../src/engine/classify.ts';
import { analysis, joinResults, type Analysis, type PartyInputs } from './analysis.ts';
import { attacked, HONEST, type Attack, type Cheat } from './attack.ts';
import { manipulation, memoryLie, type Sort } from './manipulations.ts';
import { messageKind, refineKinds } from './message-kinds.ts';
import { Random } from './random.ts';

const PARTIES = [0, 1, 2] as const;
const TIMEOUT_MS = 20_000;

/**
 * - `aborted`: both honest parties stopped with an error that blames a peer
 * - `unaffected`: both have the right result
 * - `one aborted`: one stopped, the other has the right result
 * - `released`: not both have the right result, though a value was altered, and an honest party had sent
 *   its share of the tag bits
 * - `wrong`: an honest party has a wrong result
 * - `broken`: an honest party failed with another error
 * - `hang`: the run did not end
 */
export type Verdict =
  'aborted' | 'unaffected' | 'one aborted' | 'released' | 'wrong' | 'broken' | 'hang';

/** Verdicts that the protocol must not come to. */
export const DEFEATS: readonly Verdict[] = ['released', 'wrong', 'broken', 'hang'];

/** What an attack came to. */
export interface Report {
  verdict: Verdict;
  /** Codes of the honest parties' errors. */
  codes: string[];
  /** What was done, and the number that repeats it. */
  attack: string;
}

/** What a party sends in an honest run. */
interface Sent {
  kind: string;
  bytes: Uint8Array;
}

interface HonestRun {
  sent: Sent[];
  result: ClassificationShares;
}

interface Plan {
  cheater: PartyIndex;
  cheat: Cheat;
  /** Kind of the altered message, when it is one. */
  kind?: string;
  /** Alters the cheater's inputs. */
  lie?: (inputs: PartyInputs) => void;
}

/** Kinds that compare what is fixed: altered ones stop a party, or both, when all else is verified. */
const isComparison = (kind: string): boolean => kind.startsWith('comparison of');

export class Siege {
  readonly seed: number;
  /** Kinds of all messages, in the order of their first. */
  readonly kinds: string[];
  readonly #target: Analysis;
  /** By party. */
  readonly #honest: HonestRun[];
  /** Number of the message that opens the tag bits. */
  readonly #opening: number;
  /** Number of the first message that does not follow from inputs and seeds, or of the opening. */
  readonly #firstCoin: number;

  /** Sees what honest parties do. */
  static async begin(seed: number): Promise<Siege> {
    const target = analysis(seed);
    const honest: HonestRun[] = [];
    for (const watched of PARTIES) {
      const kinds: string[] = [];
      const messages: Uint8Array[] = [];
      const watch: Cheat = ({ message }) => {
        kinds.push(messageKind());
        messages.push(message);
        return message;
      };
      let result: ClassificationShares | undefined;
      const party: Analysis['party'] = async (session) => {
        const shares = await target.party(session);
        if (session.index === watched) result = shares;
        return shares;
      };
      await attacked(watched, watch, party, target.random);
      const sent = refineKinds(kinds).map((kind, n) => ({ kind, bytes: messages[n] }));
      if (!result) throw new Error('honest parties do not come to an end');
      honest.push({ sent, result });
    }
    return new Siege(seed, target, honest);
  }

  constructor(seed: number, target: Analysis, honest: HonestRun[]) {
    this.seed = seed;
    this.#target = target;
    this.#honest = honest;
    const kinds = honest[0].sent.map(({ kind }) => kind);
    this.kinds = [...new Set(kinds)];
    this.#opening = kinds.indexOf('tag opening');
    this.#firstCoin = kinds.indexOf('coin commitment');
    if (this.#firstCoin < 0) this.#firstCoin = this.#opening;
  }

  /** Whether honest parties send the same kinds and get the result of the plaintext twin. */
  get isSound(): boolean {
    const kinds = this.#honest.map(({ sent }) => sent.map(({ kind }) => kind));
    const joined = PARTIES.map((i) =>
      joinResults(this.#honest[i].result, this.#honest[(i + 1) % 3].result),
    );
    return (
      kinds.every((list) => isDeepStrictEqual(list, kinds[0])) &&
      joined.every((results) => isDeepStrictEqual(results, this.#target.expected))
    );
  }

  /** Alters a random message of a kind. @param n which of many random attacks */
  async manipulate(kind: string, sort: Sort, n: number): Promise<Report> {
    const random = this.#random(kind, n);
    const candidates = PARTIES.flatMap((cheater) =>
      this.#honest[cheater].sent.flatMap((sent, target) =>
        sent.kind === kind && sent.bytes.length > 0 ? [{ cheater, target }] : [],
      ),
    );
    const { cheater, target } = random.pick(candidates);
    const cheat = manipulation(sort, target, random);
    return this.#run({ cheater, cheat, kind }, `${sort}, message ${target} (${kind})`, n);
  }

  /** Alters the memory of a party before a random message. */
  async lieInMemory(n: number): Promise<Report> {
    const random = this.#random('memory', n);
    const cheater = random.pick(PARTIES);
    const target = 1 + random.below(this.#honest[cheater].sent.length - 1);
    const cheat = memoryLie(target, random);
    return this.#run({ cheater, cheat }, `memory before message ${target}`, n);
  }

  /** Alters a share of the key or of the model that a party begins with. */
  async lieAboutInputs(n: number): Promise<Report> {
    const random = this.#random('inputs', n);
    const [input, share] = [
      random.pick(['key', 'model'] as const),
      random.pick(['first', 'second'] as const),
    ];
    const lie = (inputs: PartyInputs): void => {
      const bytes = inputs[input][share];
      if (random.below(4) === 0) bytes.set(random.bytes(bytes.length));
      else bytes[random.below(bytes.length)] ^= 1 << random.below(8);
    };
    const cheater = random.pick(PARTIES);
    return this.#run({ cheater, cheat: HONEST, lie }, `${share} share of the ${input}`, n);
  }

  #random(purpose: string, n: number): Random {
    const label = [...purpose].reduce((sum, c) => (31 * sum + c.charCodeAt(0)) | 0, n);
    return new Random(this.seed + (label >>> 0) * 2 ** 20);
  }

  async #run({ cheater, cheat, kind, lie }: Plan, what: string, n: number): Promise<Report> {
    const { sent } = this.#honest[cheater];
    let altered =
      kind !== undefined &&
      !isComparison(kind) &&
      sent.findIndex((message) => message.kind === kind) < this.#opening;
    const watched: Cheat = (outgoing) => {
      const own = cheat(outgoing);
      const { number } = outgoing;
      altered ||=
        number < this.#firstCoin &&
        !(own instanceof Uint8Array && equalBytes(own, sent[number].bytes));
      return own;
    };
    const party = (session: Parameters<Analysis['party']>[0]) =>
      this.#target.party(session, session.index === cheater ? lie : undefined);
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<undefined>((resolve) => {
      timer = setTimeout(resolve, TIMEOUT_MS, undefined);
    });
    const run = attacked(cheater, watched, party, this.#target.random);
    const result = await Promise.race([run, timeout]);
    clearTimeout(timer);
    const attack = `attack ${n} of seed ${this.seed} by party ${cheater}: ${what}`;
    if (!result) return { verdict: 'hang', codes: [], attack };
    return { ...this.#judge(cheater, result, altered), attack };
  }

  #judge(
    cheater: PartyIndex,
    { outcomes, honestMessages }: Attack<ClassificationShares>,
    altered: boolean,
  ): Pick<Report, 'verdict' | 'codes'> {
    const errors = outcomes.flatMap((outcome) => ('error' in outcome ? [outcome.error] : []));
    const values = outcomes.flatMap((outcome) => ('value' in outcome ? [outcome.value] : []));
    const codes = errors.map((error) =>
      error instanceof MozaikError ? error.code : String(error as Error),
    );
    // From the cheater on: party 1 before party 2, 2 before 0, 0 before 1.
    const [first, second] = cheater === 1 ? [values[1], values[0]] : values;
    const right =
      values.length === 2
        ? isDeepStrictEqual(joinResults(first, second), this.#target.expected)
        : values.every((value) =>
            PARTIES.some((i) => i !== cheater && isDeepStrictEqual(value, this.#honest[i].result)),
          );
    const opened = honestMessages.some((count) => count > this.#opening);
    if (!codes.every((code) => code.startsWith('PEER_'))) return { verdict: 'broken', codes };
    if (!right) return { verdict: 'wrong', codes };
    if (errors.length > 0 && altered && opened) return { verdict: 'released', codes };
    const verdicts: Verdict[] = ['aborted', 'one aborted', 'unaffected'];
    return { verdict: verdicts[values.length], codes };
  }
}
