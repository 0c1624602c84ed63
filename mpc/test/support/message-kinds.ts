/**
 * Which step of the protocol sends a message: told from the functions that are on the stack when it
 * leaves. Parties send the same kinds in the same order, whatever they hold.
 */
import path from 'node:path';

/** Kinds and where they come from: all of these places must be on the stack. First match counts. */
const PLACES: [kind: string, ...places: string[]][] = [
  ['tag comparison', 'verification.openBits', 'transcript.compare'],
  ['tag opening', 'verification.openBits'],
  ['comparison', 'transcript.compare'],
  ['coin', 'coin.tossCoin'],
  ['gate-proof opening', 'gate-proof.openProof'],
  ['gate-proof step', 'gate-proof.step'],
  ['dense-check reshare', 'dense-check.checkDense', 'verified-dense.reshare32'],
  ['dense-check coin', 'dense-check.checkDense', 'coin.lateCoin'],
  ['dense-check opening', 'dense-check.checkDense'],
  ['mask advice', 'to-ring.prepareMasks'],
  ['tag permutation', 'ascon.equalTags', 'ascon.permute'],
  ['tag tree', 'ascon.equalTags'],
  ['Ascon round', 'ascon.permute'],
  ['conversion reveal', 'verified-bytes.bytesToRingVerified', 'to-ring.open'],
  ['conversion gates', 'verified-bytes.bytesToRingVerified'],
  ['ReLU reveal', 'verified-relu.reluTruncateVerified', 'to-ring.open'],
  ['ReLU masking gates', 'verified-relu.reluTruncateVerified', 'to-ring.bitsToRing'],
  ['ReLU advice', 'verified-relu.reluTruncateVerified', 'advice.advise'],
  ['ReLU gates', 'verified-relu.reluTruncateVerified'],
  ['dense reshare', 'verified-dense.denseVerified'],
  ['arg-max advice', 'verified-argmax.argmaxVerified', 'advice.advise'],
  ['arg-max bits', 'verified-argmax.argmaxVerified', 'ring-bits.ringBits'],
  ['margin reveal', 'verified-argmax.argmaxVerified', 'to-ring.open'],
  ['margin masking gates', 'verified-argmax.argmaxVerified', 'to-ring.bitsToRing'],
  ['arg-max and margin gates', 'verified-argmax.argmaxVerified'],
  ['session seed', 'session.open'],
];

const STACK_MAX = 60;

/** Functions on the stack as `file.function`, files without their ending. */
function callers(): Set<string> {
  const { stackTraceLimit } = Error;
  const prepare: unknown = Reflect.get(Error, 'prepareStackTrace');
  let names: string[] = [];
  try {
    Error.stackTraceLimit = STACK_MAX;
    Error.prepareStackTrace = (_, sites) => {
      names = sites.map((site) => {
        const file = path.basename(site.getFileName() ?? '', '.ts');
        return `${file}.${site.getFunctionName()?.split('.').pop() ?? ''}`;
      });
      return '';
    };
    void new Error().stack;
  } finally {
    Object.assign(Error, { prepareStackTrace: prepare, stackTraceLimit });
  }
  return new Set(names);
}

/** @throws Error when nothing in the list fits: a new kind has to be added to it */
export function messageKind(): string {
  const stack = callers();
  const found = PLACES.find(([, ...places]) => places.every((place) => stack.has(place)));
  if (!found) throw new Error(`a message of an unknown kind: ${[...stack].join(' < ')}`);
  return found[0];
}

/** Kinds that come in turn from one place, so many messages of each: a place alone does not tell which. */
const IN_TURN: Record<string, { kinds: string[]; messages: number }> = {
  coin: { kinds: ['coin commitment', 'coin reveal'], messages: 2 },
  comparison: { kinds: ['comparison of openings', 'comparison of residues'], messages: 2 },
  'gate-proof step': { kinds: ['gate-proof values', 'gate-proof coin'], messages: 1 },
};

/** Tells apart by their order what comes from the same place. */
export function refineKinds(sent: string[]): string[] {
  const seen = new Map<string, number>();
  return sent.map((kind) => {
    if (!(kind in IN_TURN)) return kind;
    const { kinds, messages } = IN_TURN[kind];
    const count = seen.get(kind) ?? 0;
    seen.set(kind, count + 1);
    return kinds[Math.floor(count / messages) % kinds.length];
  });
}
