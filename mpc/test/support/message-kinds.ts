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
  ['gate-check opening', 'gate-check.checkGates'],
  ['dense-check reshare', 'dense-check.checkDense', 'verified-dense.reshare32'],
  ['dense-check opening', 'dense-check.checkDense'],
  ['triple product', 'triples.makeTriples'],
  ['mask advice', 'to-ring.prepareMasks', 'roles.holderRound'],
  ['mask preparation gates', 'to-ring.prepareMasks'],
  ['tag permutation', 'ascon.equalTags', 'ascon.permute'],
  ['tag tree', 'ascon.equalTags'],
  ['Ascon round', 'ascon.permute'],
  ['conversion reveal', 'verified-bytes.bytesToRingVerified', 'to-ring.open'],
  ['conversion gates', 'verified-bytes.bytesToRingVerified'],
  ['ReLU reveal', 'verified-relu.reluTruncateVerified', 'to-ring.open'],
  ['ReLU masking gates', 'verified-relu.reluTruncateVerified', 'to-ring.bitsToRing'],
  ['ReLU gates', 'verified-relu.reluTruncateVerified'],
  ['dense reshare', 'verified-dense.denseVerified'],
  ['arg-max bits', 'verified-argmax.argmaxVerified', 'verified-argmax.compare'],
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

/** Kinds that are two messages each, in turn: a place alone does not tell which. */
const IN_TURN: Record<string, string[]> = {
  coin: ['coin commitment', 'coin reveal', 'coin comparison'],
  comparison: ['comparison of openings', 'comparison of residues'],
};

/** Tells apart by their order what comes from the same place. */
export function refineKinds(kinds: string[]): string[] {
  const seen = new Map<string, number>();
  return kinds.map((kind) => {
    if (!(kind in IN_TURN)) return kind;
    const count = seen.get(kind) ?? 0;
    seen.set(kind, count + 1);
    return IN_TURN[kind][(count >> 1) % IN_TURN[kind].length];
  });
}
