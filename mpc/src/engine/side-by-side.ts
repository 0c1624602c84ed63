/**
 * A large batch in two parts, each over a channel and in a session of its own: while one part waits for the
 * network, the other one computes. Protocols and security are those of `classify.ts`, twice.
 */
import type { Adversary } from '@mozaik/protocol';
import {
  classifyBatch,
  type ClassificationShares,
  type Heartbeat,
  type LoadedModel,
  type PhaseListener,
} from './classify.ts';
import type { Session } from './session.ts';
import type { Prepared } from './verified-classify.ts';

/** From so many heartbeats on, the rounds of a second part cost less than what they hide. */
const LARGE_BATCH = 256;

/** How many parts a batch is computed in: all parties have to do the same. */
export const partCount = (beats: number): number => (beats < LARGE_BATCH ? 1 : 2);

/** Where a part is computed. */
export interface Workbench {
  session: Session;
  /** In the session's memory. */
  model: LoadedModel;
}

/**
 * @param benches one for each of {@link partCount} parts
 * @param stop called when a part fails: has to end the channels, so that the others fail too
 * @param prepared as in {@link classifyBatch}, for the first part
 * @returns the results of all, once no part touches its session any more
 */
export async function classifyParts(
  benches: Workbench[],
  beats: Heartbeat[],
  adversary: Adversary,
  stop: () => void,
  onPhase?: PhaseListener,
  prepared?: Prepared,
): Promise<ClassificationShares> {
  const size = Math.ceil(beats.length / benches.length);
  const parts = benches.map(({ session, model }, n) => {
    const part = beats.slice(n * size, (n + 1) * size);
    if (n > 0) return classifyBatch(session, model, part, adversary);
    return classifyBatch(session, model, part, adversary, onPhase, prepared);
  });
  try {
    return join(await Promise.all(parts));
  } catch (error) {
    stop();
    await Promise.allSettled(parts);
    throw error;
  }
}

function join(parts: ClassificationShares[]): ClassificationShares {
  if (parts.length === 1) return parts[0];
  const all = (bytes: (part: ClassificationShares) => Uint8Array): Uint8Array =>
    new Uint8Array(Buffer.concat(parts.map(bytes)));
  return {
    authentic: all(({ authentic }) => authentic),
    class: { first: all((part) => part.class.first), second: all((part) => part.class.second) },
    margin: { first: all((part) => part.margin.first), second: all((part) => part.margin.second) },
  };
}
